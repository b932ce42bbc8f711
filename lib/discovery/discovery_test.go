package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"hc/lib/keys"
)

func network(t *testing.T, cidr ...string) (all []*net.IPNet) {
	t.Helper()
	for _, one := range cidr {
		ip, n, err := net.ParseCIDR(one)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		all = append(all, n)
	}
	return all
}

// A question for a core that is here is answered with its address, any other question with nothing, and there is no list.
func TestZoneAnswersForWhatIsHere(t *testing.T) {
	here, gone := keys.Key{1, 2, 3}, keys.Key{4}
	z := zone{link: link{addresses: network(t, "192.0.2.7/24", "2001:db8::7/64")}, instance: "hc-test", port: 4977, offer: func(id keys.Key) bool { return id == here }}
	ask := func(name string, kind uint16) []dns.RR {
		return z.Records(dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET})
	}
	got := ask(subtype(here), dns.TypePTR)
	if len(got) != 5 {
		t.Fatalf("%d records: %v", len(got), got)
	}
	if srv, ok := got[1].(*dns.SRV); !ok || srv.Port != 4977 || srv.Hdr.Name != "hc-test._hc._tcp.local." {
		t.Errorf("%v", got[1])
	}
	if a, ok := got[3].(*dns.A); !ok || a.A.String() != "192.0.2.7" {
		t.Errorf("%v", got[3])
	}
	for _, name := range []string{subtype(gone), service, "_services._dns-sd._udp.local.", "_sub." + service, "local.", "_" + here.ZBase32() + "._hc._tcp.local.", "hc-test._hc._tcp.local."} {
		if got := ask(name, dns.TypePTR); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := ask(subtype(here), dns.TypeA); got != nil {
		t.Errorf("A: %v", got)
	}
	for _, r := range got { // each label fits, so the message can be packed
		if _, err := dns.PackRR(r, make([]byte, 512), 0, nil, false); err != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
}

// An answer sends nobody off the link, nor to another core's peer.
func TestAnswersAreChecked(t *testing.T) {
	id := keys.Key{7}
	l := link{Interface: net.Interface{Name: "e0"}, addresses: network(t, "192.0.2.7/24", "fe80::1/64")}
	good := func() *mdns.ServiceEntry {
		return &mdns.ServiceEntry{Name: "hc-x._hc._tcp.local.", AddrV4: net.IPv4(192, 0, 2, 9), Port: 80, InfoFields: []string{"id=" + id.ZBase32()}}
	}
	cases := map[string]struct {
		change func(*mdns.ServiceEntry)
		want   string
	}{
		"a peer":          {func(*mdns.ServiceEntry) {}, "192.0.2.9:80"},
		"off the link":    {func(e *mdns.ServiceEntry) { e.AddrV4 = net.IPv4(169, 254, 169, 254) }, ""},
		"this host":       {func(e *mdns.ServiceEntry) { e.AddrV4 = net.IPv4(127, 0, 0, 1) }, ""},
		"another core":    {func(e *mdns.ServiceEntry) { e.InfoFields = []string{"id=" + keys.Key{8}.ZBase32()} }, ""},
		"another service": {func(e *mdns.ServiceEntry) { e.Name = "printer._ipp._tcp.local." }, ""},
		"no address":      {func(e *mdns.ServiceEntry) { e.AddrV4 = nil }, ""},
		"an IPv6 of the link": {func(e *mdns.ServiceEntry) {
			e.AddrV4, e.AddrV6IPAddr = nil, &net.IPAddr{IP: net.ParseIP("fe80::9")}
		}, "[fe80::9%e0]:80"},
		"a far IPv6": {func(e *mdns.ServiceEntry) {
			e.AddrV4, e.AddrV6IPAddr = nil, &net.IPAddr{IP: net.ParseIP("2001:db8::9")}
		}, ""},
	}
	for name, c := range cases {
		entry := good()
		c.change(entry)
		if got, ok := l.addressOf(entry, id); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Who listens on one address announces that one.
func TestOnlyWhereOneListens(t *testing.T) {
	links := func() []link {
		return []link{{addresses: network(t, "192.0.2.7/24", "fe80::1/64")}, {addresses: network(t, "198.51.100.1/24")}}
	}
	if got := only(links(), net.IPv4zero); len(got) != 2 || len(got[0].addresses) != 2 {
		t.Errorf("everywhere: %v", got)
	}
	if got := only(links(), net.IPv4(192, 0, 2, 7)); len(got) != 1 || len(got[0].addresses) != 1 {
		t.Errorf("at one address: %v", got)
	}
	if got := only(links(), net.IPv4(127, 0, 0, 1)); len(got) != 0 {
		t.Errorf("at this host's own: %v", got)
	}
}

// double is a network that finds what it is told to.
type double struct {
	addresses chan string
	err       error
}

func (double) Announce(context.Context, *net.TCPAddr, Offer) error { return nil }

func (d double) Find(ctx context.Context, _ keys.Key, found func(string)) error {
	for {
		select {
		case address := <-d.addresses:
			found(address)
		case <-ctx.Done():
			return d.err
		}
	}
}

func TestFinder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		d := double{addresses: make(chan string)}
		f := Find(ctx, keys.Key{1}, []Network{d}, []string{"known:1", "known:1"}, func(err error) { t.Error(err) })
		one, two := f.Peers(ctx), f.Peers(ctx)
		next := func(from <-chan string) string {
			t.Helper()
			select {
			case address := <-from:
				return address
			case <-time.After(time.Second):
				return ""
			}
		}
		d.addresses <- "a:1"
		d.addresses <- "a:1"
		d.addresses <- "b:2"
		for name, from := range map[string]<-chan string{"one": one, "two": two} {
			got := []string{next(from), next(from), next(from), next(from)}
			if !slices.Equal(got, []string{"known:1", "a:1", "b:2", ""}) {
				t.Errorf("%s: %q", name, got)
			}
		}
		time.Sleep(retry)
		d.addresses <- "a:1" // it may be back
		if got := next(one); got != "a:1" {
			t.Errorf("behind a while: %q", got)
		}
		for i := range 2 * maxFound {
			d.addresses <- fmt.Sprint("flood:", i)
		}
		count := 0
		for next(one) != "" {
			count++
		}
		if count != maxFound-3 {
			t.Errorf("%d of a flood", count)
		}
		stop()
		if _, open := <-one; open {
			t.Error("still open")
		}
		synctest.Wait()
	})
}

func TestFinderAwaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		failed := make(chan error, 1)
		d := double{addresses: make(chan string)}
		f := Find(ctx, keys.Key{1}, []Network{d, broken{}}, nil, func(err error) { failed <- err })
		if f.Await(ctx, 3*time.Second) {
			t.Error("found something")
		}
		if err := <-failed; !errors.Is(err, ErrNoNetwork) {
			t.Error(err)
		}
		go func() {
			time.Sleep(time.Second)
			d.addresses <- "a:1"
		}()
		if !f.Await(ctx, 3*time.Second) || !f.Await(ctx, 0) {
			t.Error("found nothing")
		}
	})
}

type broken struct{ double }

func (broken) Find(context.Context, keys.Key, func(string)) error { return ErrNoNetwork }
