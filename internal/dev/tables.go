package dev

import (
	"context"
	"fmt"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// schemas are all of a world's.
func schemas(postgres string, banks []tenant) []string {
	var all []string
	add := func(role string, which ...string) {
		main, sessions := sqldb.Places(sqldb.Under(postgres, role), "", role, which...)
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
