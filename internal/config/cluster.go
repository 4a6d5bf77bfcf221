package config

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/kozamori/kozamori/internal/observe"
)

// Cluster says how the other processes of a role that share its database reach this one. The zero value is a role of
// one process.
type Cluster struct {
	Address string `toml:"address"` // "https://10.0.0.2:8443": the listener of [server]
	CA      string `toml:"ca"`      // PEM file: who signed the certificates of the processes; "" is who the system trusts
}

// Cluster notes what is wrong with how processes reach each other. What they forward to each other is what browsers
// and peers send: it goes over TLS wherever the listener speaks it.
func (p *Problems) Cluster(c Cluster, server observe.ServerConfig, store observe.Secret) {
	if c == (Cluster{}) {
		return
	}
	if store == "" {
		p.Add("[cluster]", "several processes of a role share a PostgreSQL database: [data] store is needed")
	}
	u, err := url.Parse(c.Address)
	if err != nil || u.Hostname() == "" || u.Scheme+"://"+u.Host != c.Address || u.Scheme != "https" && u.Scheme != "http" {
		p.Add("[cluster] address", "%q is no address of this process as the others call it, such as https://10.0.0.2:8443", c.Address)
		return
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.IsUnspecified() || strings.HasSuffix(u.Host, ":0") {
		p.Add("[cluster] address", "%q leads nowhere from another machine", c.Address)
	}
	if u.Scheme == "http" && server.TLSCert != "" {
		p.Add("[cluster] address", "%q: the listener speaks TLS, so it must begin with https://", c.Address)
	}
	if u.Scheme == "http" && c.CA != "" {
		p.Add("[cluster] ca", "is for an address that begins with https://")
	}
}
