package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// setUpCallout writes the keys, the credentials and the configurations of both modes.
func setUpCallout(dir string) error {
	keys := map[string]nkeys.KeyPair{}
	for _, name := range []string{"issuer", "APP", "GUESTS", "SYS"} {
		if err := makeKey(keys, name, nkeys.CreateAccount); err != nil {
			return err
		}
	}
	if err := makeKey(keys, "curve", nkeys.CreateCurveKeys); err != nil {
		return err
	}
	if err := makeKey(keys, "operator", nkeys.CreateOperator); err != nil {
		return err
	}
	config := fmt.Sprintf(`accounts {
  AUTH { users: [ { user: auth, password: %[1]q } ] }
  APP { exports: [ { stream: "news.>" } ] }
  GUESTS { imports: [ { stream: { account: APP, subject: "news.>" } } ] }
  SYS {}
}
system_account: SYS
authorization {
  timeout: 1
  auth_callout { account: AUTH, auth_users: [ auth ], issuer: %[2]s, xkey: %[3]s }
}
`, env("PASSWORD"), public(keys["issuer"]), public(keys["curve"]))
	if err := write("configured.conf", config); err != nil {
		return err
	}
	return setUpOperator(keys)
}

// setUpOperator makes an operator whose account "issuer" leaves its users to the service.
func setUpOperator(keys map[string]nkeys.KeyPair) error {
	service, _, err := credentials("service", keys["issuer"], func(user *jwt.UserClaims) {})
	if err != nil {
		return err
	}
	// It shows which account to ask, and may do nothing.
	_, sentinel, err := credentials("sentinel", keys["issuer"], func(user *jwt.UserClaims) {
		user.BearerToken = true
		user.Pub.Deny.Add(">")
		user.Sub.Deny.Add(">")
	})
	if err != nil {
		return err
	}
	operator := jwt.NewOperatorClaims(public(keys["operator"]))
	operator.SystemAccount = public(keys["SYS"])
	token, err := operator.Encode(keys["operator"])
	if err != nil {
		return err
	}
	var preload strings.Builder
	for _, name := range []string{"issuer", "APP", "GUESTS", "SYS"} {
		account := jwt.NewAccountClaims(public(keys[name]))
		account.Name = name
		switch name {
		case "issuer":
			account.Authorization.AuthUsers.Add(service)
			account.Authorization.AllowedAccounts.Add(public(keys["APP"]), public(keys["GUESTS"]))
			account.Authorization.XKey = public(keys["curve"])
		case "APP":
			account.Exports.Add(&jwt.Export{Subject: "news.>", Type: jwt.Stream})
		case "GUESTS":
			account.Imports.Add(&jwt.Import{Subject: "news.>", Account: public(keys["APP"]), Type: jwt.Stream})
		}
		token, err := account.Encode(keys["operator"])
		if err != nil {
			return err
		}
		fmt.Fprintf(&preload, "  %s: %s\n", public(keys[name]), token)
	}
	return write("operator.conf", fmt.Sprintf(
		"operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload {\n%s}\n"+
			"default_sentinel: %s\nauthorization { timeout: 1 }\n",
		token, operator.SystemAccount, preload.String(), sentinel))
}

// credentials writes the file of a user of the account, and returns the user's key and token.
func credentials(name string, account nkeys.KeyPair, edit func(*jwt.UserClaims)) (key, token string, err error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return "", "", err
	}
	claims := jwt.NewUserClaims(public(user))
	claims.Name = name
	edit(claims)
	if token, err = claims.Encode(account); err != nil {
		return "", "", err
	}
	seed, err := user.Seed()
	if err != nil {
		return "", "", err
	}
	file, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return "", "", err
	}
	return public(user), token, write(name+".creds", string(file))
}

func makeKey(keys map[string]nkeys.KeyPair, name string, create func() (nkeys.KeyPair, error)) error {
	pair, err := create()
	if err != nil {
		return err
	}
	seed, err := pair.Seed()
	if err != nil {
		return err
	}
	keys[name] = pair
	return write(name+".nk", string(seed))
}

// public is the public key, which every pair has.
func public(pair nkeys.KeyPair) string {
	key, err := pair.PublicKey()
	if err != nil {
		panic(err)
	}
	return key
}

func write(name, text string) error { return os.WriteFile(calloutFile(name), []byte(text), 0o600) }
