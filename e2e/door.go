package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// door is a port of the loopback network that can be open, shut, or so crowded that nobody is even refused.
// The port stays ours in every state: other tests look for free ones at the same time.
type door struct {
	addr *net.TCPAddr
	// socket is bound to the port beside the listener; the kernel refuses for it as long as it does not listen.
	socket int
	crowd  []net.Conn
	open   net.Listener
}

// newDoor finds a free port of an address of the loopback network and opens it.
func newDoor(host string) (*door, error) {
	ip := net.ParseIP(host).To4()
	if ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s is no address of the loopback network", host)
	}
	d := &door{addr: &net.TCPAddr{IP: ip}, socket: -1}
	if err := d.bind(); err != nil {
		return nil, err
	}
	return d, d.listen()
}

// bind takes the port without listening on it, the same again after the first time.
func (d *door) bind() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	d.socket = fd
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: d.addr.Port, Addr: [4]byte(d.addr.IP)}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	own, err := syscall.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	d.addr.Port = own.(*syscall.SockaddrInet4).Port
	return nil
}

// listen opens the door to those who connect.
func (d *door) listen() (err error) {
	d.open, err = net.ListenTCP("tcp4", d.addr)
	return err
}

// shut lets nobody in: the kernel answers with a reset, as it does for a server that has ended.
func (d *door) shut() error {
	if d.open == nil {
		return nil
	}
	err := d.open.Close()
	d.open = nil
	return err
}

// block makes the door so crowded that the kernel drops whoever knocks, as a host does that is off. A socket
// with the shortest queue takes one connection; from the second on nothing comes back, not even a refusal.
func (d *door) block() error {
	if err := d.shut(); err != nil {
		return err
	}
	if err := syscall.Listen(d.socket, 0); err != nil {
		return os.NewSyscallError("listen", err)
	}
	for range 8 {
		c, err := net.DialTimeout("tcp4", d.addr.String(), 100*time.Millisecond)
		if err != nil {
			if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				return nil
			}
			return err
		}
		d.crowd = append(d.crowd, c)
	}
	return errors.New("the kernel takes every connection of a queue of length 0")
}

// unblock shuts a door that was blocked. Those who kept knocking are let in once it is open, as by a host that is on again.
func (d *door) unblock() error {
	if len(d.crowd) == 0 {
		return nil
	}
	for _, c := range d.crowd {
		_ = c.Close()
	}
	d.crowd = nil
	return errors.Join(os.NewSyscallError("close", syscall.Close(d.socket)), d.bind())
}

// close gives the port back.
func (d *door) close() error {
	for _, c := range d.crowd {
		_ = c.Close()
	}
	return errors.Join(d.shut(), os.NewSyscallError("close", syscall.Close(d.socket)))
}
