package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/reboot-operator/reboot-operator/controllers"
	"github.com/reboot-operator/reboot-operator/internal/logging"
)

// options are what the command line says.
type options struct {
	namespace             string
	nodeName              string
	podName               string
	podUID                string
	metricsAddress        string
	metricsSecure         bool
	metricsCertDir        string
	metricsMaxNodes       int
	enableHTTP2           bool
	probeAddress          string
	webhookAddress        string
	leaderElect           bool
	maxUnavailable        *intstr.IntOrString
	quorumLabels          []string
	gateAllowedCIDRs      []netip.Prefix
	notifyAllowedCIDRs    []netip.Prefix
	leaseNamespaces       []string
	publishNodeConditions bool
	version               bool
	log                   logging.Options
}

// parseOptions reads the command line. getenv reads the environment.
func parseOptions(args []string, getenv func(string) string) (*options, error) {
	o := &options{podName: getenv("POD_NAME"), podUID: getenv("POD_UID")}
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	config.RegisterFlags(flags)
	o.log.AddFlags(flags.Func)
	flags.StringVar(&o.namespace, "namespace", getenv("POD_NAMESPACE"),
		"Namespace that the operator runs in; the default is the environment's POD_NAMESPACE.")
	flags.StringVar(&o.nodeName, "node-name", getenv("NODE_NAME"),
		"Node that the manager runs on, which is rebooted after others that could go; the default is the environment's NODE_NAME.")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "Address on which to serve metrics, such as :8443; 0 does not serve them.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true,
		"Serve metrics over HTTPS, and only to clients that may get the path /metrics.")
	flags.StringVar(&o.metricsCertDir, "metrics-cert-dir", "",
		"Directory with tls.crt and tls.key for serving metrics, such as a mounted Secret of cert-manager. They are read again when "+
			"they change. The default, empty, uses the manager's own certificate; the ConfigMap reboot-operator-metrics-ca has the authority that "+
			"verifies it.")
	flags.IntVar(&o.metricsMaxNodes, "metrics-max-nodes", 0,
		"Serve series by node name for up to this many nodes that need a reboot, those that have needed it longest. The default is none.")
	flags.BoolVar(&o.enableHTTP2, "enable-http2", false,
		"Also serve metrics over HTTP/2. Its streams and headers are handled before a client proves who it is, so it is off by default.")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "Address on which to serve /healthz and /readyz; 0 does not serve "+
		"them.")
	flags.StringVar(&o.webhookAddress, "webhook-bind-address", "",
		"Address on which to serve admission webhooks, such as :10250. The default, empty, does not serve them.")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "Let only the leader of several replicas work. Required if there is more than one "+
		"replica.")
	flags.Func("max-unavailable", "How many nodes of the cluster may be unavailable at once, in addition to the limits of the policies: "+
		"a number such as 3, or a percentage of all nodes such as 10%, rounded down. The default is no such limit.", o.setMaxUnavailable)
	flags.Func("quorum-node-labels", "Keys of labels of nodes that run members of a quorum such as etcd, separated by commas. Two such nodes "+
		"are never down at once; nodes with node-role.kubernetes.io/control-plane, master or etcd always count.", o.setQuorumLabels)
	flags.Func("gate-allowed-cidrs", "Loopback, link-local or metadata addresses that gates may query nevertheless, as "+
		"CIDRs separated by commas, such as 169.254.20.10/32. The default is none.", setCIDRs(&o.gateAllowedCIDRs))
	flags.Func("notify-allowed-cidrs", "Loopback, link-local or metadata addresses to which notifications may be sent "+
		"nevertheless, as CIDRs separated by commas, such as 127.0.0.1/32. The default is none.", setCIDRs(&o.notifyAllowedCIDRs))
	flags.Func("maintenance-lease-namespaces", "Namespaces whose Leases named node-<node> say that another tool maintains the node, "+
		"separated by "+
		"commas, such as medik8s-leases. Anyone who may write Leases there can hold up reboots. The default is none.", o.setLeaseNamespaces)
	flags.BoolVar(&o.publishNodeConditions, "publish-node-conditions", true,
		"Publish the conditions MaintenancePlanned, DrainInProgress, Drained and MaintenanceInProgress on Nodes (KEP-5683).")
	flags.BoolVar(&o.version, "version", false, "Print the version and exit.")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.metricsMaxNodes < 0 || o.metricsMaxNodes > controllers.MostNodeSeries {
		return nil, fmt.Errorf("--metrics-max-nodes=%d: write a number from 0 to %d", o.metricsMaxNodes, controllers.MostNodeSeries)
	}
	if o.metricsCertDir != "" && !o.metricsSecure {
		return nil, errors.New("--metrics-cert-dir has no effect with --metrics-secure=false: remove one of them")
	}
	if o.namespace == "" && !o.version {
		return nil, errors.New("no namespace: set --namespace or the environment variable POD_NAMESPACE")
	}
	return o, nil
}

// percentage is one from 0% to 100%, as in the field maxUnavailable of a RebootPolicy.
var percentage = regexp.MustCompile(`^(100|[1-9]?[0-9])%$`)

// setMaxUnavailable refuses what is neither a number nor a percentage, rather than taking it for no limit.
func (o *options) setMaxUnavailable(value string) error {
	if value == "" {
		o.maxUnavailable = nil
		return nil
	}
	number, err := strconv.ParseInt(value, 10, 32)
	switch {
	case err == nil && number >= 0:
		limit := intstr.FromInt32(int32(number))
		o.maxUnavailable = &limit
	case percentage.MatchString(value):
		limit := intstr.FromString(value)
		o.maxUnavailable = &limit
	default:
		return errors.New(`write a number of nodes from 0 up, such as 3, or a percentage from "0%" to "100%", such as "10%"`)
	}
	return nil
}

// setCIDRs refuses what is no CIDR, and one whose address has bits beyond its length: it may mean more than it says.
func setCIDRs(prefixes *[]netip.Prefix) func(value string) error {
	return func(value string) error {
		*prefixes = nil
		if value == "" {
			return nil
		}
		for _, cidr := range strings.Split(value, ",") {
			prefix, err := netip.ParsePrefix(strings.TrimSpace(cidr))
			if err != nil || prefix != prefix.Masked() {
				return fmt.Errorf("write CIDRs, such as 127.0.0.0/8 or 169.254.20.10/32, not %q", cidr)
			}
			*prefixes = append(*prefixes, prefix)
		}
		return nil
	}
}

// setQuorumLabels refuses what is no key of a label, rather than looking for nodes that there cannot be.
func (o *options) setQuorumLabels(value string) (err error) {
	o.quorumLabels, err = names(value, "the key of a label, such as example.com/etcd", validation.IsQualifiedName)
	return err
}

// setLeaseNamespaces refuses what is not a name of a namespace, rather than looking where there cannot be a Lease.
func (o *options) setLeaseNamespaces(value string) (err error) {
	o.leaseNamespaces, err = names(value, "the name of a namespace, such as medik8s-leases", validation.IsDNS1123Label)
	return err
}

// names reads what is separated by commas: each name once, in order. It refuses what has problems, and says what to write instead.
func names(value, want string, problems func(string) []string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	var all []string
	for _, name := range strings.Split(value, ",") {
		name = strings.TrimSpace(name)
		if found := problems(name); len(found) > 0 {
			return nil, fmt.Errorf("write %s, not %q: %s", want, name, found[0])
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
