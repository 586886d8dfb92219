package access_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"optgate/pipeline/access"
	"optgate/pipeline/shard"
)

// token is one as the API would make it, told apart by its name.
func token(name string) access.Token {
	return access.Token{ID: "tok_" + name, Name: name, Scopes: []string{access.Read}, Sum: access.Sum(name), By: "root"}
}

func create(t access.Token, made int64, declared ...string) (shard.Command, error) {
	return access.NewCreate("create/"+t.ID, "acme", made, access.Create{Token: t, Declared: declared})
}

func revoke(id string, made int64) (shard.Command, error) {
	return access.NewRevoke("revoke/"+id, "acme", made, id)
}

func TestASecretNamesItsAccountAndIsNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for _, account := range []string{"acme", "a", "_", "x_y-z.1", strings.Repeat("a", 64)} {
		for range 50 {
			secret := access.NewSecret(account)
			if got, ok := access.AccountOf(secret); !ok || got != account || seen[secret] || seen[access.Sum(secret)] {
				t.Fatalf("%q: %q %v", account, got, ok)
			}
			seen[secret], seen[access.Sum(secret)] = true, true
		}
	}
	f := func(secret string) {
		t.Helper()
		if account, ok := access.AccountOf(secret); ok {
			t.Errorf("%q names %q", secret, account)
		}
	}
	good := access.NewSecret("acme")
	f("")
	f("og_")
	f("og__" + good[len(good)-43:])
	f(good[3:])
	f(good[:len(good)-1])
	f(good + "A")
	f(strings.Replace(good, "og_", "OG_", 1))
	f("og_YWNtZQ=_" + good[len(good)-43:])
	f("og_YWNtZR_" + good[len(good)-43:]) // bits left over: another way to write acme
	f(good[:len(good)-1] + "é")
}

func FuzzAccountOf(f *testing.F) {
	f.Add(access.NewSecret("acme"))
	f.Add("og__")
	f.Add("acme-admin")
	f.Add("og_YWN\ntZQ_" + strings.Repeat("A", 43)) // base64 passes over ends of lines
	f.Fuzz(func(t *testing.T, secret string) {
		account, ok := access.AccountOf(secret)
		if !ok {
			return
		}
		again := access.NewSecret(account)
		if account == "" || again[:len(again)-43] != secret[:len(secret)-43] {
			t.Errorf("%q names %q", secret, account)
		}
	})
}

func TestATokenIsMadeOnceHoweverOftenItIsAskedFor(t *testing.T) {
	w := newWorld(t)
	first := w.acme(create(token("a"), 100))
	other := token("a")
	other.Sum = access.Sum("another secret of a call that was repeated")
	again := w.acme(create(other, 200))
	if !first.OK || !again.OK || len(w.tokens().Tokens) != 1 {
		t.Fatalf("%+v, %+v", first, again)
	}
	var kept access.Token
	raw, err := json.Marshal(again.Value)
	if err != nil || json.Unmarshal(raw, &kept) != nil {
		t.Fatal(err)
	}
	if kept.Sum != token("a").Sum || kept.Created != 100 {
		t.Errorf("the second call is told %+v", kept)
	}
}

func TestNamesAreUniqueAmongLiveTokens(t *testing.T) {
	w := newWorld(t)
	f := func(code string, of access.Token, made int64, declared ...string) {
		t.Helper()
		of.ID = fmt.Sprintf("tok_%d", w.offset)
		if said := w.acme(create(of, made, declared...)); said.OK != (code == "") || said.Code != code || !said.OK && said.Msg == "" {
			t.Errorf("%q: %+v", of.Name, said)
		}
	}
	brief := token("brief")
	brief.Expires = 500
	f("", brief, 100)
	f(access.CodeNameTaken, token("brief"), 499)
	f("", token("brief"), 500) // it has expired
	f(access.CodeNameTaken, token("ops"), 500, "root", "ops")
	f("", token("ops"), 500, "root")
	w.acme(revoke("tok_4", 600))
	f("", token("ops"), 600)
	f(access.CodeExpired, brief, 500)
	f(access.CodeExpired, brief, 501)
}

func TestAnAccountHasAHundredLiveTokensAndRemembersAHundredOthers(t *testing.T) {
	w := newWorld(t)
	for round := range int64(4) {
		for i := range access.MostLive {
			one := token(fmt.Sprintf("%d-%d", round, i))
			one.Expires = 1000 * (round + 1)
			if said := w.acme(create(one, 1000*round)); !said.OK {
				t.Fatalf("token %d of round %d: %+v", i, round, said)
			}
		}
		if said := w.acme(create(token("one more"), 1000*round)); said.Code != access.CodeTooMany {
			t.Errorf("the 101st: %+v", said)
		}
		all := w.tokens().Tokens
		if most := access.MostLive + access.MostGone; len(all) > most || round > 0 && len(all) != most {
			t.Errorf("%d tokens are kept", len(all))
		}
		if all[len(all)-1].Name != fmt.Sprintf("%d-99", round) || round > 1 && all[0].Name != fmt.Sprintf("%d-0", round-1) {
			t.Errorf("from %s to %s", all[0].Name, all[len(all)-1].Name)
		}
	}
}

func TestARevocationStandsSinceTheFirstOne(t *testing.T) {
	w := newWorld(t)
	if said := w.acme(revoke("tok_a", 100)); said.OK || said.Code != access.CodeNotFound {
		t.Errorf("of no token: %+v", said)
	}
	w.acme(create(token("a"), 100))
	w.acme(create(token("b"), 100))
	for _, made := range []int64{200, 300} {
		if said := w.acme(revoke("tok_a", made)); !said.OK {
			t.Errorf("%+v", said)
		}
	}
	all := w.tokens().Tokens
	if all[0].Revoked != 200 || all[0].Live(100) || !all[1].Live(300) {
		t.Errorf("%+v", all)
	}
}

func TestATokenEndsExactlyWhenItSays(t *testing.T) {
	one := access.Token{Expires: 1000}
	if !one.Live(999) || one.Live(1000) || one.Live(1001) || !(access.Token{}).Live(1<<60) {
		t.Error("a token lives until it expires, and no longer")
	}
}

// TestWhatNobodyOfOursMakesIsNotFolded: commands are read from a topic that others may write to.
func TestWhatNobodyOfOursMakesIsNotFolded(t *testing.T) {
	f := func(kind, account, body string) {
		t.Helper()
		w := newWorld(t)
		c := shard.Command{ID: "x", Kind: kind, Account: account, Made: 1, Body: json.RawMessage(body)}
		if err := w.fold(shards.Account("acme"), c, nil); err == nil || len(w.states) > 0 {
			t.Errorf("%s %s is taken: %v", kind, body, w.states)
		}
	}
	good, err := json.Marshal(access.Create{Token: token("a")})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := "globex"
	if shards.Account(elsewhere) == shards.Account("acme") {
		t.Fatal("choose an account of another shard")
	}
	f(access.CommandCreate, elsewhere, string(good))
	f(access.CommandCreate, "", string(good))
	f(access.CommandCreate, "acme", `{}`)
	f(access.CommandCreate, "acme", `[`)
	f(access.CommandCreate, "acme", strings.Replace(string(good), `"read"`, `"operator"`, 1))
	f(access.CommandCreate, "acme", strings.Replace(string(good), `["read"]`, `[]`, 1))
	f(access.CommandCreate, "acme", strings.Replace(string(good), `"sum":"`, `"sum":"00`, 1))
	f(access.CommandRevoke, "acme", `{}`)
	f(access.CommandRevoke, elsewhere, `{"id":"tok_a"}`)
	f(access.CommandNote, elsewhere, `{"at":1,"route":"POST /v1/tokens"}`)
	f(access.CommandNote, "acme", `{"at":0,"route":"POST /v1/tokens"}`)
	f(access.CommandForget, "", `{"keys":[]}`)
	f(access.CommandForget, "", `{"keys":["account/acme"]}`)
	f(access.CommandForget, "", `{"keys":["audit/acme/soon"]}`)
	f(access.CommandForget, "", `{"keys":["audit/acme/1.2"]}`)
}
