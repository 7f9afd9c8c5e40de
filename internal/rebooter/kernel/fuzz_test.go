package kernel

import "testing"

// FuzzReleases: one of two kernels is older, or neither is, whichever is asked first; and a third between them changes nothing.
func FuzzReleases(f *testing.F) {
	f.Add("6.8.0-31-generic", "6.8.0-45-generic", "6.8.0-100-generic")
	f.Add("5.14.0-427.13.1.el9_4.x86_64", "5.14.0-503.el9_5.x86_64", "5.14.0-427.el9_4.x86_64")
	f.Add("6.10-rc7-amd64", "6.10-amd64", "6.10.1-amd64")
	f.Add("4.18.0-553.rt7.342.el8_10.x86_64", "", "-")
	f.Fuzz(func(t *testing.T, first, second, third string) {
		a, b, c := release(first), release(second), release(third)
		if compare(a, a) != 0 || compare(a, b) != -compare(b, a) {
			t.Fatalf("%q and %q: %d, %d the other way round", a, b, compare(a, b), compare(b, a))
		}
		if compare(a, b) <= 0 && compare(b, c) <= 0 && compare(a, c) > 0 {
			t.Fatalf("%q <= %q <= %q, and the first is newer than the last", a, b, c)
		}
	})
}
