package discovery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"hc/lib/keys"
)

// MDNS is the local network. A core is a subtype of one service (RFC 6763, 7.1): a question for
//
//	_<discovery key in z-base-32>._sub._hc._tcp.local
//
// is answered by the hosts that have the core. Nobody can ask for a list of cores.
type MDNS struct{}

const (
	service  = "_hc._tcp.local."
	ttl      = 10 // seconds: peers ask again anyway
	lookFor  = time.Second
	askFirst = time.Second // between the first questions; it doubles up to
	askLast  = 30 * time.Second
	lookAt   = 10 * time.Second // how often interfaces are looked at
)

// ErrNoNetwork says that there is no interface that multicasts.
var ErrNoNetwork = errors.New("no network here to find peers on")

// quiet silences a library that would log.
var quiet = log.New(io.Discard, "", 0)

func subtype(id keys.Key) string { return "_" + id.ZBase32() + "._sub." + service }

// idOf reads the discovery key that a question is about.
func idOf(name string) (id keys.Key, ok bool) {
	word, ok := strings.CutSuffix(strings.ToLower(name), "._sub."+service)
	if !ok || len(word) != 53 || word[0] != '_' {
		return id, false
	}
	id, err := keys.ParseKey(word[1:])
	return id, err == nil
}

// Announce implements Network on every interface that multicasts, including those that appear later.
func (MDNS) Announce(ctx context.Context, at *net.TCPAddr, offer Offer) error {
	var random keys.Key
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	instance := "hc-" + random.ZBase32()[:16] // says nothing of this host
	running := map[string]*mdns.Server{}
	defer func() {
		for _, server := range running {
			_ = server.Shutdown()
		}
	}()
	ticker := time.NewTicker(lookAt)
	defer ticker.Stop()
	for {
		links, err := multicasting()
		if err != nil && !errors.Is(err, ErrNoNetwork) { // there may be one later
			return err
		}
		serveOn(running, only(links, at.IP), func(l link) mdns.Zone { return zone{l, instance, at.Port, offer} })
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// serveOn starts a server on each link that has none, and ends those whose link is gone.
func serveOn(running map[string]*mdns.Server, links []link, zoneOf func(link) mdns.Zone) {
	here := map[string]bool{}
	for _, l := range links {
		here[l.name()] = true
		if running[l.name()] != nil {
			continue
		}
		server, err := mdns.NewServer(&mdns.Config{Zone: zoneOf(l), Iface: &l.Interface, Logger: quiet})
		if err == nil { // else it is tried again later; others may work
			running[l.name()] = server
		}
	}
	for name, server := range running {
		if !here[name] {
			_ = server.Shutdown()
			delete(running, name)
		}
	}
}

// only returns the links that have the address, without their others; all links if the address is unspecified.
func only(links []link, ip net.IP) (some []link) {
	if ip == nil || ip.IsUnspecified() {
		return links
	}
	for _, l := range links {
		l.addresses = slices.DeleteFunc(l.addresses, func(n *net.IPNet) bool { return !n.IP.Equal(ip) })
		if len(l.addresses) > 0 {
			some = append(some, l)
		}
	}
	return some
}

// zone answers questions on one link.
type zone struct {
	link     link
	instance string
	port     int
	offer    Offer
}

// Records implements mdns.Zone.
func (z zone) Records(q dns.Question) []dns.RR {
	id, ok := idOf(q.Name)
	if !ok || q.Qtype != dns.TypePTR && q.Qtype != dns.TypeANY || !z.offer(id) {
		return nil
	}
	name, host := z.instance+"."+service, z.instance+".local."
	header := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	}
	records := []dns.RR{
		&dns.PTR{Hdr: header(q.Name, dns.TypePTR), Ptr: name},
		&dns.SRV{Hdr: header(name, dns.TypeSRV), Port: uint16(z.port), Target: host},
		&dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: []string{"id=" + id.ZBase32()}},
	}
	for _, address := range z.link.addresses {
		if v4 := address.IP.To4(); v4 != nil {
			records = append(records, &dns.A{Hdr: header(host, dns.TypeA), A: v4})
		} else {
			records = append(records, &dns.AAAA{Hdr: header(host, dns.TypeAAAA), AAAA: address.IP})
		}
	}
	return records
}

// Find implements Network. It asks again and again, at growing intervals.
func (MDNS) Find(ctx context.Context, id keys.Key, found func(address string)) error {
	for wait := askFirst; ; wait = min(2*wait, askLast) {
		links, err := multicasting()
		if err != nil {
			return err
		}
		for _, l := range links {
			l.ask(ctx, id, found)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// ask asks once, without waiting for answers: a question always takes lookFor.
func (l link) ask(ctx context.Context, id keys.Key, found func(address string)) {
	for _, v6 := range []bool{false, true} { // separately, as one that fails would end both
		entries := make(chan *mdns.ServiceEntry, 32)
		go func() {
			_ = mdns.QueryContext(ctx, &mdns.QueryParam{
				Service: strings.TrimSuffix(subtype(id), ".local."), Domain: "local", Timeout: lookFor, Interface: &l.Interface,
				Entries: entries, DisableIPv4: v6, DisableIPv6: !v6, Logger: quiet,
			})
			close(entries)
		}()
		go func() {
			for entry := range entries {
				if address, ok := l.addressOf(entry, id); ok && ctx.Err() == nil {
					found(address)
				}
			}
		}()
	}
}

// addressOf returns the address in an answer, if it is about the core, and on this link: an answer must not send us elsewhere.
func (l link) addressOf(entry *mdns.ServiceEntry, id keys.Key) (string, bool) {
	if !strings.HasSuffix(strings.ToLower(entry.Name), "."+service) || !slices.Contains(entry.InfoFields, "id="+id.ZBase32()) {
		return "", false
	}
	port := strconv.Itoa(entry.Port)
	if l.reaches(entry.AddrV4) {
		return net.JoinHostPort(entry.AddrV4.String(), port), true
	}
	if v6 := entry.AddrV6IPAddr; v6 != nil && (l.reaches(v6.IP) || v6.IP.IsLinkLocalUnicast()) {
		if v6.IP.IsLinkLocalUnicast() {
			v6.Zone = l.Name
		}
		return net.JoinHostPort(v6.String(), port), true
	}
	return "", false
}

// link is an interface with its addresses.
type link struct {
	net.Interface
	addresses []*net.IPNet
}

func (l link) name() string { return fmt.Sprint(l.Index, l.addresses) }

// reaches reports whether an address is in a network of the link.
func (l link) reaches(ip net.IP) bool {
	return ip != nil && slices.ContainsFunc(l.addresses, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// multicasting lists the links that multicast, without loopback and point-to-point ones.
func multicasting() (links []link, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("looking for networks: %w", err)
	}
	const want = net.FlagUp | net.FlagMulticast
	for _, one := range all {
		if one.Flags&(want|net.FlagLoopback|net.FlagPointToPoint) != want {
			continue
		}
		addresses, err := one.Addrs()
		if err != nil {
			continue // it may just have disappeared
		}
		l := link{Interface: one}
		for _, address := range addresses {
			if n, ok := address.(*net.IPNet); ok {
				l.addresses = append(l.addresses, n)
			}
		}
		if len(l.addresses) > 0 {
			links = append(links, l)
		}
	}
	if len(links) == 0 {
		return nil, ErrNoNetwork
	}
	return links, nil
}
