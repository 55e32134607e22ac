package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Roles in ../hierarchy.py: an operator who makes accounts and users, and pushes accounts to a
// server while their users are connected.

// hierarchy is an operator with the accounts SYS, which the server knows from the beginning, and
// APP and PEER, which are pushed. Users of APP are signed by its key, or by a scoped signing key.
type hierarchy struct {
	keys map[string]nkeys.KeyPair
}

// playHierarchy plays "setup" or "play".
func playHierarchy(role string) error {
	switch role {
	case "setup":
		return setUpHierarchy()
	case "play":
		return runHierarchy()
	}
	return fmt.Errorf("unknown role %s", role)
}

// setUpHierarchy writes the keys, the credentials and the configuration.
func setUpHierarchy() error {
	h := hierarchy{keys: map[string]nkeys.KeyPair{}}
	for _, name := range []string{"SYS", "APP", "PEER", "scope"} {
		if err := makeKey(h.keys, name, nkeys.CreateAccount); err != nil {
			return err
		}
	}
	if err := makeKey(h.keys, "operator", nkeys.CreateOperator); err != nil {
		return err
	}
	all := func(*jwt.UserClaims) {}
	for user, account := range map[string]string{"admin": "SYS", "alice": "APP", "dave": "APP", "peer": "PEER"} {
		if _, _, err := credentials(user, h.keys[account], all); err != nil {
			return err
		}
	}
	_, _, err := credentials("bob", h.keys["scope"], func(user *jwt.UserClaims) {
		// Of a scoped key: what the user may do is the account's to say.
		user.IssuerAccount = public(h.keys["APP"])
		user.UserPermissionLimits = jwt.UserPermissionLimits{}
		user.Tags.Add("team:red")
	})
	if err != nil {
		return err
	}
	operator := jwt.NewOperatorClaims(public(h.keys["operator"]))
	operator.SystemAccount = public(h.keys["SYS"])
	token, err := operator.Encode(h.keys["operator"])
	if err != nil {
		return err
	}
	system, err := h.account("SYS", func(*jwt.AccountClaims) {})
	if err != nil {
		return err
	}
	return write("hierarchy.conf", fmt.Sprintf(
		"operator: %s\nresolver { type: full, dir: %q, allow_delete: true }\nresolver_preload { %s: %s }\n",
		token, calloutFile("jwt"), operator.SystemAccount, system))
}

// account is the token of an account.
func (h *hierarchy) account(name string, edit func(*jwt.AccountClaims)) (string, error) {
	claims := jwt.NewAccountClaims(public(h.keys[name]))
	claims.Name = name
	edit(claims)
	return claims.Encode(h.keys["operator"])
}

// app is the account APP as it is to begin with.
func (h *hierarchy) app(claims *jwt.AccountClaims) {
	claims.Exports.Add(&jwt.Export{Subject: "news.>", Type: jwt.Stream},
		&jwt.Export{Subject: "help", Type: jwt.Service})
	h.scoped(claims)
}

// scoped lets users of the signing key do what its template says.
func (h *hierarchy) scoped(claims *jwt.AccountClaims) {
	scope := jwt.NewUserScope()
	scope.Key = public(h.keys["scope"])
	scope.Role = "member"
	scope.Template.Pub.Allow.Add("own.{{name()}}", "team.{{tag(team)}}")
	scope.Template.Sub.Allow.Add("own.>", "_INBOX.>")
	claims.SigningKeys.AddScopedSigner(scope)
}

// push tells the server about an account.
func (h *hierarchy) push(admin *nats.Conn, name string, edit func(*jwt.AccountClaims)) error {
	token, err := h.account(name, edit)
	if err != nil {
		return err
	}
	answer, err := admin.Request("$SYS.REQ.CLAIMS.UPDATE", []byte(token), wait)
	if err != nil {
		return err
	}
	var told struct {
		Data struct {
			Code    int
			Account string
		}
	}
	if err := json.Unmarshal(answer.Data, &told); err != nil {
		return err
	}
	if told.Data.Code != 200 || told.Data.Account != public(h.keys[name]) {
		return fmt.Errorf("the push was answered with %s", answer.Data)
	}
	return nil
}

// come connects with a file of credentials.
func come(name string, more ...nats.Option) (*nats.Conn, error) {
	more = append(more, nats.UserCredentials(calloutFile(name+".creds")))
	return connect(env("CALLOUT_URL"), more...)
}

// refusedNow: the server lets the user in no more.
func refusedNow(name string) error {
	nc, err := come(name)
	if err == nil {
		nc.Close()
		return fmt.Errorf("%s was let in", name)
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		return fmt.Errorf("got %v, want an authorization violation", err)
	}
	return nil
}

// runHierarchy goes through the life of an account, and prints one line per check.
func runHierarchy() error {
	h := &hierarchy{keys: map[string]nkeys.KeyPair{}}
	for _, name := range []string{"operator", "SYS", "APP", "PEER", "scope"} {
		key, err := readKey(name)
		if err != nil {
			return err
		}
		h.keys[name] = key
	}
	admin, err := come("admin")
	if err != nil {
		return err
	}
	defer admin.Close()
	failed := 0
	for _, c := range []check{
		{"hierarchy_pushed", func() error { return h.pushed(admin) }},
		{"hierarchy_scope", h.scope},
		{"hierarchy_import", func() error { return h.imports(admin) }},
		{"hierarchy_revoked", func() error { return h.revoked(admin) }},
		{"hierarchy_signing_key", func() error { return h.unsigned(admin) }},
		{"hierarchy_deleted", func() error { return h.deleted(admin) }},
	} {
		if err := bounded(c.run); err != nil {
			failed++
			fmt.Printf("FAIL go %s: %s\n", c.name, err)
			continue
		}
		fmt.Printf("ok go %s\n", c.name)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// pushed: users of an account get in once it is there, and not before.
func (h *hierarchy) pushed(admin *nats.Conn) error {
	if err := refusedNow("alice"); err != nil {
		return err
	}
	if err := h.push(admin, "APP", h.app); err != nil {
		return err
	}
	nc, err := come("alice")
	if err != nil {
		return err
	}
	defer nc.Close()
	return speaks(nc, "anything")
}

// speaks: the client hears what it publishes.
func speaks(nc *nats.Conn, subject string) error {
	sub, err := nc.SubscribeSync(subject)
	if err != nil {
		return err
	}
	if err := nc.Publish(subject, []byte("hello")); err != nil {
		return err
	}
	_, err = received(sub, 1)
	return err
}

// scope: users of a scoped signing key may do what its template says, filled in for each of them.
func (h *hierarchy) scope() error {
	violations := make(chan error, 8)
	nc, err := come("bob", nats.ErrorHandler(
		func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := speaks(nc, "own.bob"); err != nil {
		return err
	}
	for _, subject := range []string{"team.red", "own.alice", "team.blue"} {
		if err := nc.Publish(subject, nil); err != nil {
			return err
		}
	}
	for _, denied := range []string{"own.alice", "team.blue"} {
		select {
		case err := <-violations:
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), denied) {
				return fmt.Errorf("got %v, want a violation for %s", err, denied)
			}
		case <-time.After(wait):
			return fmt.Errorf("publishing to %s was allowed", denied)
		}
	}
	return nil
}

// imports: what is pushed leads between accounts whose users are connected already.
func (h *hierarchy) imports(admin *nats.Conn) error {
	if err := h.push(admin, "PEER", func(*jwt.AccountClaims) {}); err != nil {
		return err
	}
	alice, err := come("alice")
	if err != nil {
		return err
	}
	defer alice.Close()
	peer, err := come("peer")
	if err != nil {
		return err
	}
	defer peer.Close()
	if _, err := alice.Subscribe("help", func(m *nats.Msg) { _ = m.Respond([]byte("here")) }); err != nil {
		return err
	}
	news, err := peer.SubscribeSync("from.app.>")
	if err != nil {
		return err
	}
	for _, nc := range []*nats.Conn{alice, peer} {
		if err := nc.FlushTimeout(wait); err != nil {
			return err
		}
	}
	if _, err := peer.Request("ask", nil, wait); !errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("before the import: got %v, want no responders", err)
	}
	app := public(h.keys["APP"])
	err = h.push(admin, "PEER", func(claims *jwt.AccountClaims) {
		claims.Imports.Add(
			&jwt.Import{Subject: "news.>", LocalSubject: "from.app.>", Account: app, Type: jwt.Stream},
			&jwt.Import{Subject: "help", LocalSubject: "ask", Account: app, Type: jwt.Service})
	})
	if err != nil {
		return err
	}
	if err := alice.Publish("news.today", []byte("hello")); err != nil {
		return err
	}
	if _, err := received(news, 1); err != nil {
		return err
	}
	answer, err := peer.Request("ask", nil, wait)
	if err != nil {
		return err
	}
	if string(answer.Data) != "here" {
		return fmt.Errorf("the answer is %q", answer.Data)
	}
	return nil
}

// cut is a client that tells when the server closes it, and the first error that it heard of before.
func cut(name string) (*nats.Conn, <-chan error, error) {
	heard, closed := make(chan error, 16), make(chan error, 1)
	nc, err := come(name, nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			select {
			case heard <- err:
			default:
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) {
			select {
			case err := <-heard:
				closed <- err
			default:
				closed <- nil
			}
		}))
	return nc, closed, err
}

// revoked: a revocation cuts off whom it names, and nobody else.
func (h *hierarchy) revoked(admin *nats.Conn) error {
	alice, closed, err := cut("alice")
	if err != nil {
		return err
	}
	defer alice.Close()
	dave, err := come("dave")
	if err != nil {
		return err
	}
	defer dave.Close()
	user, err := readUser("alice")
	if err != nil {
		return err
	}
	err = h.push(admin, "APP", func(claims *jwt.AccountClaims) {
		h.app(claims)
		claims.Revoke(user)
	})
	if err != nil {
		return err
	}
	select {
	case err := <-closed:
		if !errors.Is(err, nats.ErrAuthRevoked) {
			return fmt.Errorf("got %v, want %v", err, nats.ErrAuthRevoked)
		}
	case <-time.After(wait):
		return errors.New("alice is still connected")
	}
	if err := refusedNow("alice"); err != nil {
		return err
	}
	return speaks(dave, "still.here")
}

// unsigned: users of a signing key that is taken away go.
func (h *hierarchy) unsigned(admin *nats.Conn) error {
	bob, closed, err := cut("bob")
	if err != nil {
		return err
	}
	defer bob.Close()
	if err := h.push(admin, "APP", func(*jwt.AccountClaims) {}); err != nil {
		return err
	}
	select {
	case <-closed:
	case <-time.After(wait):
		return errors.New("bob is still connected")
	}
	return refusedNow("bob")
}

// deleted: the users of an account that the operator deletes go.
func (h *hierarchy) deleted(admin *nats.Conn) error {
	peer, closed, err := cut("peer")
	if err != nil {
		return err
	}
	defer peer.Close()
	request := jwt.NewGenericClaims(public(h.keys["operator"]))
	request.Data["accounts"] = []string{public(h.keys["PEER"])}
	token, err := request.Encode(h.keys["operator"])
	if err != nil {
		return err
	}
	answer, err := admin.Request("$SYS.REQ.CLAIMS.DELETE", []byte(token), wait)
	if err != nil {
		return err
	}
	if !strings.Contains(string(answer.Data), "deleted 1 accounts") {
		return fmt.Errorf("the request was answered with %s", answer.Data)
	}
	select {
	case <-closed:
	case <-time.After(wait):
		return errors.New("peer is still connected")
	}
	return refusedNow("peer")
}

// readUser is the public key of the user of a file of credentials.
func readUser(name string) (string, error) {
	file, err := os.ReadFile(calloutFile(name + ".creds"))
	if err != nil {
		return "", err
	}
	seed, err := nkeys.ParseDecoratedUserNKey(file)
	if err != nil {
		return "", err
	}
	return public(seed), nil
}
