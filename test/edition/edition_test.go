package edition

import (
	"testing"

	"k8s.io/apimachinery/pkg/version"
)

func TestTheEditionGoesByTheVersion(t *testing.T) {
	tests := map[string]struct {
		info    version.Info
		want    string
		wantErr bool
	}{
		"before constrained impersonation": {info: version.Info{Major: "1", Minor: "35"}, want: "config/overlays/before-1.36"},
		"with it":                          {info: version.Info{Major: "1", Minor: "36"}, want: "config/default"},
		"of a vendor":                      {info: version.Info{Major: "1", Minor: "37+"}, want: "config/default"},
		"unknown":                          {info: version.Info{Major: "1", Minor: ""}, wantErr: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := For(&test.info)
			if (err != nil) != test.wantErr {
				t.Errorf("error %v, want one: %v", err, test.wantErr)
			}
			if got.Manifests != test.want || got.DrainsAsNode != (test.want == "config/default") {
				t.Errorf("got %+v, want %s", got, test.want)
			}
		})
	}
}

func TestEvictionRequestsGoByTheVersion(t *testing.T) {
	for version, want := range map[string]EvictionRequests{
		"v1.32.2": {}, "v1.36.3": {}, "v1.37.0": {Served: true}, "v1.37.2": {Served: true}, "v1.38.0-beta.0": {Served: true, Handled: true},
	} {
		if got := EvictionRequestsOf(version); got != want {
			t.Errorf("%s: %+v, want %+v", version, got, want)
		}
	}
}
