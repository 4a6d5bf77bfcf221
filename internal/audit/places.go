package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// directory is where things lie, as kozamori dev lays them out.
type directory struct {
	root     string
	postgres string // the URL of the database that has the tables; "" for files below root
}

// openDirectory reads where the tables are.
func openDirectory(root string) (directory, error) {
	d := directory{root: root}
	text, err := os.ReadFile(filepath.Join(root, "keys", "dev.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, unreadable(filepath.Join(root, "keys", "dev.json"), err)
	}
	var made struct {
		Postgres string `json:"postgres"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return d, fmt.Errorf("audit: %s is not dev's", filepath.Join(root, "keys", "dev.json")) // the cause could quote a secret
	}
	d.postgres = made.Postgres
	return d, nil
}

// place is where a role's tables are: a file, or a schema.
func (d directory) place(role string, which ...string) string {
	if d.postgres != "" {
		main, _ := sqldb.Places(sqldb.Under(d.postgres, role), "", role, which...)
		return main
	}
	switch service, isWallet := strings.CutPrefix(role, "wallet_"); {
	case isWallet:
		return filepath.Join(d.root, "data", service, "money.db")
	case role == "bank":
		return filepath.Join(d.root, "data", "bank", which[0], "money.db")
	}
	return filepath.Join(d.root, "data", role, role+".db")
}

// find lists what fits a pattern below the directory, sorted.
func (d directory) find(pattern ...string) []string {
	found, err := filepath.Glob(filepath.Join(append([]string{escape(d.root)}, pattern...)...))
	if err != nil {
		panic("audit: a pattern of ours is malformed: " + err.Error())
	}
	slices.Sort(found)
	return found
}

// readable looks whether every folder and file of books may be read. find passes over what it may not enter, and
// books that nobody looked at would agree.
func (d directory) readable() error {
	folders := []string{d.root, filepath.Join(d.root, "data")}
	folders = slices.Concat(folders, d.find("data", "*"), d.find("data", "bank", "*"))
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			continue
		case err != nil:
			return unreadable(folder, err)
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".db" {
				continue
			}
			path := filepath.Join(folder, e.Name())
			f, err := os.Open(path)
			if err != nil {
				return unreadable(path, err)
			}
			if err := f.Close(); err != nil {
				return unreadable(path, err)
			}
		}
	}
	return nil
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("audit: %s may not be read by this user: run the audit as the user whose books they are", path)
	}
	return fmt.Errorf("audit: %s cannot be read: %w", path, err)
}

// escape keeps the letters of a path from being read as a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// services lists those that have tables: by their files or, where a database has them, by their keys.
func (d directory) services() []string {
	if d.postgres != "" {
		return d.folders("keys", "*", "marks.001.json")
	}
	return d.folders("data", "*", "money.db")
}

// banks is services for banks.
func (d directory) banks() []string {
	if d.postgres != "" {
		return d.folders("keys", "bank", "*", "sign.001.json")
	}
	return d.folders("data", "bank", "*", "money.db")
}

// hubs is services for hubs, and lists their places.
func (d directory) hubs() []string {
	if d.postgres != "" {
		return []string{d.place("hub")}
	}
	return d.find("data", "*", "hub.db")
}

// folders lists the folders that the files of a pattern lie in.
func (d directory) folders(pattern ...string) (names []string) {
	for _, f := range d.find(pattern...) {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	return names
}

// signer is how a company signs its statements, and the key set that the others have pinned for it.
type signer struct {
	private wire.Key
	public  wire.KeySet
}

// public reads the keys that everybody has pinned for a service or bank.
func (d directory) public(name string) (wire.KeySet, error) {
	return keyfile.ReadSet(filepath.Join(d.root, "register", name+"-sign.json"))
}

// signer reads the keys of a service or bank: keys is its folder of private keys, name its register file.
func (d directory) signer(keys, name string) (s signer, err error) {
	if s.public, err = d.public(name); err != nil {
		return s, err
	}
	all, err := keyfile.Open(filepath.Join(d.root, "keys", keys)).Signing("sign")
	if err != nil {
		return s, err
	}
	s.private = all[0]
	return s, nil
}
