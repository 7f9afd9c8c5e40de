package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	probeTimeout = 20 * time.Second
	accountDir   = "/var/run/secrets/kubernetes.io/serviceaccount/"
	// terminationLog is what Kubernetes shows of a container that has ended.
	terminationLog = "/dev/termination-log"
)

// probe tries what the two containers of the helper's pod are for, and what else they could do from where they are. It runs in their
// place, with their users, rights and mounts. The arguments are the name of the node, and namespace and name of a pod on it.
func probe(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("probe: want a node, a namespace and a pod, got %q", args)
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	pods := "/api/v1/namespaces/" + args[1] + "/pods/"
	// With dryRun the API server decides as it would, and the pod stays.
	eviction := fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": %q, "name": %q}, `+
		`"deleteOptions": {"dryRun": ["All"]}}`, args[1], args[2])
	results := []struct {
		what string
		err  error
	}{
		{"list the host's /run", list("/host/run")},
		{"ask logind for a reboot", anyOf(buses(), askLogind(ctx))},
		{"connect to containerd", anyOf(containerds(), connect(ctx))},
		{"read a token", readToken()},
		{"evict a pod of the node", call(ctx, http.MethodPost, pods+args[2]+"/eviction", args[0], eviction)},
		{"delete a pod of the node", call(ctx, http.MethodDelete, pods+args[2]+"?dryRun=All", args[0], "")},
		{"read secrets", call(ctx, http.MethodGet, "/api/v1/secrets", "", "")},
	}
	var report strings.Builder
	for _, result := range results {
		if result.err == nil {
			_, _ = fmt.Fprintf(&report, "%s: yes\n", result.what)
		} else {
			_, _ = fmt.Fprintf(&report, "%s: no: %s\n", result.what, strings.ReplaceAll(result.err.Error(), "\n", "; "))
		}
	}
	fmt.Print(report.String())
	return os.WriteFile(terminationLog, []byte(report.String()), 0o600)
}

func buses() []string {
	return []string{"/run/dbus/system_bus_socket", "/host/run/dbus/system_bus_socket", "/host/run/systemd/private"}
}

func containerds() []string {
	return []string{"/run/containerd/containerd.sock", "/host/run/containerd/containerd.sock"}
}

// anyOf is nil if one of the paths works.
func anyOf(paths []string, try func(path string) error) error {
	var errs []error
	for _, path := range paths {
		err := try(path)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", path, err))
	}
	return errors.Join(errs...)
}

// askLogind asks whether it could reboot the host, which distinguishes a user who may from one who may not.
func askLogind(ctx context.Context) func(path string) error {
	return func(path string) error {
		bus, err := dbus.Dial("unix:path="+path, dbus.WithContext(ctx))
		if err != nil {
			return err
		}
		defer func() { _ = bus.Close() }()
		if err := errors.Join(bus.Auth(nil), bus.Hello()); err != nil {
			return err
		}
		var answer string
		logind := bus.Object("org.freedesktop.login1", "/org/freedesktop/login1")
		err = logind.CallWithContext(ctx, "org.freedesktop.login1.Manager.CanReboot", 0).Store(&answer)
		if err == nil && answer != "yes" {
			err = fmt.Errorf("logind says %q", answer)
		}
		return err
	}
}

func list(directory string) error {
	_, err := os.ReadDir(directory)
	return err
}

func connect(ctx context.Context) func(path string) error {
	return func(path string) error {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

func readToken() error {
	_, err := os.ReadFile(accountDir + "token")
	return err
}

// call asks the API server with whatever token there is, as the node if one is named.
func call(ctx context.Context, method, path, node, body string) error {
	server := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	request, err := http.NewRequestWithContext(ctx, method, "https://"+server+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token, err := os.ReadFile(accountDir + "token"); err == nil {
		request.Header.Set("Authorization", "Bearer "+string(token))
		if node != "" {
			request.Header.Set("Impersonate-User", "system:node:"+node)
		}
	}
	// Who has no token has no CA either, and may try nevertheless.
	settings := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
	if ca, err := os.ReadFile(accountDir + "ca.crt"); err == nil {
		settings.RootCAs = x509.NewCertPool()
		settings.RootCAs.AppendCertsFromPEM(ca)
		settings.InsecureSkipVerify = false
	}
	response, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: settings}}).Do(request)
	if err != nil {
		return err
	}
	var answer struct {
		Message string `json:"message"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s: %s", response.Status, answer.Message)
	}
	return nil
}
