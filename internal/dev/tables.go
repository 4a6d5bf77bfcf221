package dev

import (
	"context"
	"fmt"
	"net/url"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// schemaOf is the URL of a role's schema ("hub", "wallet_maru", "bank") in dev's database; bankd puts each bank's code
// behind the last. A search_path of dev's own URL stands before, for several worlds in one database.
func schemaOf(postgres, role string) string {
	u, err := url.Parse(postgres)
	if err != nil {
		return postgres // what opens it says so
	}
	q := u.Query()
	if world := q.Get("search_path"); world != "" {
		role = world + "_" + role
	}
	q.Set("search_path", role)
	u.RawQuery = q.Encode()
	return u.String()
}

// schemas are all of a world's.
func schemas(postgres string, banks []tenant) []string {
	var all []string
	add := func(role string, which ...string) {
		main, sessions := sqldb.Places(schemaOf(postgres, role), "", role, which...)
		all = append(all, main, sessions)
	}
	add("hub")
	for _, s := range services {
		add("wallet_" + string(s.ID))
	}
	for _, b := range banks {
		add("bank", string(b.Code))
	}
	return all
}

// unused refuses a database that holds the tables of another world, whose rows the keys of this directory do not open.
func unused(ctx context.Context, l layout, postgres string, banks []tenant) error {
	if err := sqldb.CheckURL(postgres); err != nil || postgres == "" {
		return err
	}
	if s, err := secretsOf(l); err != nil || s != nil {
		return err // loadSecrets compares
	}
	for _, place := range schemas(postgres, banks) {
		applied, err := sqldb.Applied(ctx, place)
		if err != nil {
			return err
		}
		if len(applied) > 0 {
			return fmt.Errorf("%s holds the tables of another world: start that one's --dir with --reset, or name yours with ?search_path=NAME", sqldb.Name(place))
		}
	}
	return nil
}

// dropTables removes the schemas of a world that is reset.
func dropTables(ctx context.Context, postgres string) error {
	if postgres == "" {
		return nil
	}
	banks, err := tenants()
	if err != nil {
		return err
	}
	for _, place := range schemas(postgres, banks) {
		if err := sqldb.Drop(ctx, place); err != nil {
			return err
		}
	}
	return nil
}
