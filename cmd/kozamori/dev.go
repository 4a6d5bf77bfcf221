package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/dev"
)

// runDev runs everything until a signal.
func runDev(ctx context.Context, args []string, stdout io.Writer) error {
	o := dev.Options{Started: time.Now(), Audit: auditor}
	flags := flag.NewFlagSet("kozamori dev", flag.ContinueOnError)
	flags.StringVar(&o.Dir, "dir", ".dev", "where data, keys and configurations lie; they survive a restart")
	flags.IntVar(&o.PortBase, "port-base", 0, "the first of seven ports on 127.0.0.1 (default: the one the directory was made for, or 8400)")
	flags.BoolVar(&o.Reset, "reset", false, "remove what an earlier run left in the directory")
	flags.StringVar(&o.Postgres, "postgres", "", "the URL of a PostgreSQL database, in which each role gets schemas of its own (default: what the directory was made for, or SQLite files)")
	asJSON := flags.Bool("json", false, "print one line of JSON with all addresses when ready")
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	o.Ready = func(i dev.Info) {
		if *asJSON {
			_ = json.NewEncoder(stdout).Encode(i)
			return
		}
		tell(stdout, i)
	}
	return dev.Run(ctx, o)
}

// tell says what to open and whom to be.
func tell(out io.Writer, i dev.Info) {
	fmt.Fprintf(out, "\n口座守 / Kozamori — ready in %.1f s. Nothing here is real; Ctrl-C stops it, the data stay in %s.\n\n", float64(i.ReadyMs)/1000, i.Dir)
	fmt.Fprintf(out, "  はじめに開くページ / start here   %s\n\n", i.URL)
	ids := []string{}
	for s := range i.Wallets {
		ids = append(ids, string(s))
	}
	slices.Sort(ids)
	for _, s := range ids {
		for service, url := range i.Wallets {
			if string(service) == s {
				fmt.Fprintf(out, "  決済サービス / wallet %-6s      %s/   staff: %s / %s\n", s, url, i.Staff[s].Name, i.Staff[s].Password)
			}
		}
	}
	fmt.Fprintf(out, "  ハブ / hub                       %s/   staff: %s / %s\n", i.Hub, i.Staff["hub"].Name, i.Staff["hub"].Password)
	fmt.Fprintf(out, "  受信箱 / inbox %s   ATM %s   時計 / clock %s\n\n", i.Inbox, i.ATM, i.Clock)
	fmt.Fprintln(out, "  だれになるか / whom to be (bank, branch, account number, PIN, phone):")
	for _, p := range i.People {
		phone := p.Phone
		if phone == "" {
			phone = "—"
		}
		fmt.Fprintf(out, "    %s %-16s %s %s %s  PIN %s  %s\n", p.Name.JA, p.Name.EN, i.Banks[p.Bank], p.Branch, p.Number, p.PIN, phone)
	}
	fmt.Fprintln(out)
}
