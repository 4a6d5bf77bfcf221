package walletd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// Keys names the keys of a wallet's key directory, with their uses.
func Keys() map[string]keyfile.Use {
	return map[string]keyfile.Use{
		"sign":   keyfile.Sign,   // every message of the service
		"client": keyfile.Sign,   // client assertions to the hub
		"dpop":   keyfile.Sign,   // proofs of the hub's tokens
		"rows":   keyfile.Secret, // seals rows and outbox payloads
		"marks":  keyfile.Secret, // fingerprints of codes, contacts and documents
		"books":  keyfile.Note,   // checkpoints of the books
	}
}

func loadSealer(cfg Config) (outbox.Sealer, error) {
	rows, err := keyfile.Open(cfg.Data.Keys).Secrets("rows")
	if err != nil {
		return nil, err
	}
	return outbox.NewSealer(rows...)
}

// connect loads keys and registers, and puts the wallet together with its ledger, hub and ways to people.
func (s *Server) connect() error {
	keys := keyfile.Open(s.cfg.Data.Keys)
	if err := keys.Check(s.cfg.Dev); err != nil {
		return err
	}
	mine := map[string]wire.Key{}
	for _, name := range []string{"sign", "client", "dpop"} {
		all, err := keys.Signing(name)
		if err != nil {
			return err
		}
		mine[name] = all[0]
	}
	// A fingerprint finds what was stored under it, so this key is the oldest one for ever.
	marks, err := keys.Secrets("marks")
	if err != nil {
		return err
	}
	banks := wire.Keyring{}
	for _, b := range s.cfg.Banks {
		set, err := keyfile.ReadSet(b.Keys)
		if err != nil {
			return err
		}
		if _, ok := set.Seal(); !ok || set.Empty() {
			return fmt.Errorf("%s: a bank's keys are for signing and for encryption", b.Keys)
		}
		banks[b.Issuer] = set
	}
	if err := s.reachPeople(); err != nil {
		return err
	}
	s.ledger = ledger.New(s.store.Books(), ledger.Options{AfterCommit: func() {
		if s.wallet != nil {
			s.wallet.Wake()
		}
	}})
	profile, err := s.profile()
	if err != nil {
		return err
	}
	s.wallet, err = wallet.New(wallet.Deps{
		Profile: profile, Store: s.store, Ledger: s.ledger,
		Hub:      newHubClient(s.cfg.Hub.Issuer, s.cfg.Service.ID, mine["client"], mine["dpop"], s.env.Transport, s.env.Now),
		Messages: wallet.Messages{Service: profile.Service, Key: mine["sign"], Banks: banks, Now: s.env.Now},
		Secrets:  marker(marks[len(marks)-1]), Now: s.env.Now, Rand: s.env.Rand, Log: s.env.Log,
		Money: s.moneyDeps(),
	})
	return err
}

func (s *Server) profile() (wallet.Profile, error) {
	u, err := url.Parse(s.cfg.Service.Origin)
	if err != nil {
		return wallet.Profile{}, err
	}
	l := s.cfg.Links
	return wallet.Profile{
		Service: id.Service(s.cfg.Service.ID), Name: fault.Text{JA: s.cfg.Service.NameJA, EN: s.cfg.Service.NameEN},
		Origin: s.cfg.Service.Origin, RPID: u.Hostname(), Valid: l.Years, Phones: s.cfg.People.PhonePrefixes,
		Limits: wire.Limits{PerDebit: l.PerDebit, Per24h: l.PerDay, Per30Days: l.PerMonth},
	}, nil
}

func (s *Server) reachPeople() (err error) {
	if s.mailer, err = notify.NewSMTP(s.cfg.Mail); err != nil {
		return err
	}
	s.sms, err = notify.NewGateway(s.cfg.SMS, s.env.Transport)
	return err
}

// deliverMail is the outbox handler of letters by e-mail.
func (s *Server) deliverMail(ctx context.Context, m outbox.Message) error {
	l, err := letter(m)
	if err != nil {
		return err
	}
	return s.settled(m, s.mailer.SendMail(ctx, notify.Mail{To: l.To, Subject: l.Subject, Text: l.Text}))
}

// deliverSMS is the outbox handler of text messages; the gateway drops a repeat by the message's id.
func (s *Server) deliverSMS(ctx context.Context, m outbox.Message) error {
	l, err := letter(m)
	if err != nil {
		return err
	}
	_, err = s.sms.SendSMS(ctx, notify.ShortMessage{To: l.To, Text: l.Text, Ref: m.ID})
	return s.settled(m, err)
}

// settled lets a letter go that will never be taken: an address that does not exist must not hold up others.
func (s *Server) settled(m outbox.Message, err error) error {
	if err != nil && (fault.Of(err) == fault.Invalid || fault.Of(err) == fault.Refused) {
		s.env.Log.Warn("a letter will never be taken", "kind", m.Kind, "id", m.ID, "error", err.Error())
		return nil
	}
	return err
}

func letter(m outbox.Message) (l wallet.Letter, err error) {
	if err = json.Unmarshal(m.Payload, &l); err != nil {
		err = fault.New(fault.Internal, "walletd.letter", err)
	}
	return l, err
}

// marker makes keyed fingerprints; no two lists of parts give the same one.
type marker []byte

func (k marker) MAC(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, k)
	for _, p := range append([]string{purpose}, parts...) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}
