// Copyright The pilot-apisix Authors
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

package listeners

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind binds a socket to an address as nginx does, and closes it. It never listens, so that no connection comes to it.
func bind(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	options := [][2]int{{unix.SOL_SOCKET, unix.SO_REUSEADDR}, {unix.SOL_SOCKET, unix.SO_REUSEPORT}}
	var family int
	var sa unix.Sockaddr
	if to.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
		options = append(options, [2]int{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY})
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	unix.CloseOnExec(fd)
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o[0], o[1], 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return unix.Bind(fd, sa)
}

// explain adds what to do about it.
func explain(err error, port int) string {
	switch {
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("permission denied: set the pod's sysctl net.ipv4.ip_unprivileged_port_start to %d, or the Service's targetPort to %d", port, 8000+port)
	case errors.Is(err, syscall.EADDRINUSE):
		return "in use by something else in the pod"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "the pod has no such address"
	default:
		return err.Error()
	}
}

// bindFailed is what nginx writes of an address that it did not get.
var bindFailed = regexp.MustCompile(`\[emerg\] .*bind\(\) to (\S+) failed \(\d+: ([^)]+)\)`)

// Lost is the address of a line of nginx's error log that says that it was not bound, and why; empty for other lines.
func Lost(line string) (address, reason string) {
	m := bindFailed.FindStringSubmatch(line)
	if m == nil {
		return "", ""
	}
	a, err := netip.ParseAddrPort(m[1])
	if err != nil {
		return "", ""
	}
	return a.String(), "nginx did not get it: " + strings.ToLower(m[2])
}
