// Package node runs the operator on real nodes: Debian with systemd, containerd and a kubelet, in virtual machines that QEMU emulates,
// joined to the control plane of the testbed. The image is the deployed image, the manifests are config/default and its overlays, and a
// reboot is a kernel that goes down and another boot that comes up. AppArmor confines the containers of one machine, and SELinux those of
// the other.
//
// The disk of the machines is built from Debian packages, once, and kept in the user's cache. What belongs to one run, the credentials of
// the kubelet and the images, comes on a second disk. The test talks to a machine over its second serial port, and resets it by QEMU's
// monitor.
//
// It takes about 25 minutes without KVM, says how long it took, and needs root and QEMU, so it runs by "make test-node" only.
package node
