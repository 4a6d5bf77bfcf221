package sqldb

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
)

// IsPostgres says whether tables are on a PostgreSQL server, as its URL, and not in a file.
func IsPostgres(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

// Name is where tables are, for logs and errors: a path as it is, a URL without its password.
func Name(where string) string {
	if !IsPostgres(where) {
		return where
	}
	u, err := url.Parse(where)
	if err != nil {
		return "postgres://…"
	}
	shown := url.URL{Scheme: "postgres", Host: u.Host, Path: u.Path}
	if user := u.User.Username(); user != "" {
		shown.User = url.User(user)
	}
	if schema := u.Query().Get("search_path"); schema != "" {
		shown.RawQuery = url.Values{"search_path": {schema}}.Encode()
	}
	return shown.String()
}

// CheckURL says what is wrong with the URL of a database, without quoting it: it may hold a password. "" is none.
func CheckURL(where string) error {
	if where == "" {
		return nil
	}
	if !IsPostgres(where) {
		return errors.New("want postgres://user@host/database")
	}
	_, err := serverConfig(where)
	return err
}

// Places are where a role keeps its own tables and, apart from them, those of its sessions: two files in a directory
// or, where a URL says so that has passed CheckURL, two schemas of a database. The first schema is that of the URL's
// search_path or has the role's name, with whatever tells it from others of the same kind behind; the second is called
// like the first with "_web" behind.
func Places(where, file, role string, which ...string) (main, sessions string) {
	if !IsPostgres(where) {
		return filepath.Join(where, file), filepath.Join(where, "web.db")
	}
	u, err := url.Parse(where)
	if err != nil {
		return where, where
	}
	q := u.Query()
	schema := q.Get("search_path")
	if schema == "" {
		schema = role
	}
	schema = strings.Join(append([]string{schema}, which...), "_")
	in := func(name string) string {
		q.Set("search_path", name)
		u.RawQuery = q.Encode()
		return u.String()
	}
	return in(schema), in(schema + "_web")
}

// Under is the URL of a role's schema in a database that several roles share ("hub", "wallet_maru", "bank", behind which
// Places puts each bank's code). A search_path of the URL's own stands before, for several worlds in one database.
func Under(where, role string) string {
	u, err := url.Parse(where)
	if err != nil {
		return where // what opens it says so
	}
	q := u.Query()
	if world := q.Get("search_path"); world != "" {
		role = world + "_" + role
	}
	q.Set("search_path", role)
	u.RawQuery = q.Encode()
	return u.String()
}
