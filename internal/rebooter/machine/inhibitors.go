package machine

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/godbus/dbus/v5"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

const (
	// maxHolder and maxWhy are the most bytes of what the holder of a lock says about itself.
	maxHolder, maxWhy = 64, 128
	// maxLocks is how many locks are named.
	maxLocks = 3
)

// inhibitor is a lock as logind lists it: a(ssssuu).
type inhibitor struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

// blocks reports whether the lock forbids a reboot. Before systemd 257 logind bypasses a lock of mode "block" if its holder has the uid of
// who asks, which for root is any lock of root (logind-inhibit.c, manager_is_inhibited, ignore_uid). Since then that is what "block-weak"
// is for, and it refuses an order to reboot with SD_LOGIND_ROOT_CHECK_INHIBITORS for all others (logind-dbus.c, verify_shutdown_creds). A
// lock of mode "delay" is given its time by logind itself.
func (i *inhibitor) blocks(uid int) bool {
	if !slices.Contains(strings.Split(i.What, ":"), "shutdown") {
		return false
	}
	return i.Mode == "block" || i.Mode == "block-weak" && int(i.UID) != uid
}

// String names who holds the lock, and why. Any program on the host chooses both.
func (i *inhibitor) String() string {
	return fmt.Sprintf("%q (uid %d, pid %d) because of %q", clean(i.Who, maxHolder), i.UID, i.PID, clean(i.Why, maxWhy))
}

// clean makes one short line of printable characters.
func clean(text string, limit int) string {
	text = strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, " "))
	return rebooter.Truncate(strings.Join(strings.Fields(text), " "), limit)
}

// blockers asks logind for the locks that forbid a reboot.
func blockers(ctx context.Context, logind dbus.BusObject) ([]inhibitor, error) {
	var all []inhibitor
	if err := ask(ctx, logind, logindManager+".ListInhibitors", nil, &all); err != nil {
		return nil, err
	}
	uid := os.Geteuid()
	all = slices.DeleteFunc(all, func(i inhibitor) bool { return !i.blocks(uid) })
	slices.SortFunc(all, func(a, b inhibitor) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
}

// inhibited says which locks are in the way; empty if there are none.
func inhibited(locks []inhibitor) string {
	if len(locks) == 0 {
		return ""
	}
	named := make([]string, 0, maxLocks)
	for _, lock := range locks[:min(len(locks), maxLocks)] {
		named = append(named, lock.String())
	}
	more := ""
	if len(locks) > maxLocks {
		more = fmt.Sprintf(" and %d more", len(locks)-maxLocks)
	}
	return fmt.Sprintf("the host must not be rebooted while an inhibitor lock is held: by %s%s", strings.Join(named, ", by "), more)
}

// refusedBy is the error of a reboot that locks forbid; nil if there are none.
func refusedBy(locks []inhibitor) error {
	if reason := inhibited(locks); reason != "" {
		return &rebooter.RefusedError{Kind: rebooter.ObstacleInhibited, Message: reason}
	}
	return nil
}
