package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// business is the made-up one that run and demo set up: an account with its channels at a simulated Meta.
type business struct {
	token       string // of its account, which may do everything there
	operator    string // token of the operator
	verifyToken string
	appSecret   string
}

// What the business has at the simulated Meta. These ids are Meta's to give and mean nothing elsewhere.
const (
	accountID     = "demo"
	channelID     = "wa"
	phoneNumberID = "155500000000001"
	wabaID        = "177700000000001"
	pageID        = "133300000000001"
	instagramID   = "144400000000001"
	accessToken   = "EAAGsimulated"
)

// newBusiness makes one with secrets that nobody has seen.
func newBusiness() business {
	return business{token: rand.Text(), operator: rand.Text(), verifyToken: rand.Text(), appSecret: rand.Text()}
}

// keptBusiness gives the one whose secrets lie in a folder, and makes those that are missing.
func keptBusiness(dir string) (business, error) {
	b := newBusiness()
	for name, secret := range map[string]*string{
		tokenFile: &b.token, operatorFile: &b.operator, verifyFile: &b.verifyToken, secretFile: &b.appSecret,
	} {
		if err := keepSecret(filepath.Join(dir, name), secret); err != nil {
			return business{}, err
		}
	}
	return b, nil
}

// The files of a kept business, which only their owner may read.
const (
	tokenFile    = "token"
	operatorFile = "operator-token"
	verifyFile   = "verify-token"
	secretFile   = "app-secret"
)

// keepSecret reads a secret from a file, or writes it there where the file is not yet.
func keepSecret(path string, secret *string) error {
	kept, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return os.WriteFile(path, []byte(*secret+"\n"), 0o600)
	}
	if err != nil {
		return err
	}
	if *secret = strings.TrimSpace(string(kept)); *secret == "" {
		return fmt.Errorf("%s is empty: remove it, and a new one is made", path)
	}
	return nil
}

// settings gives the configuration of a gateway that serves the business, by top key.
func (b business) settings(dataDir, public, private, graphURL string) map[string]any {
	return map[string]any{
		"data_dir": dataDir,
		"public":   map[string]any{"listen": public},
		"private":  map[string]any{"listen": private},
		"operator": map[string]any{
			"name": "Demo Ltd", "support_address": "help@example.com",
			"tokens": []any{map[string]any{"name": "operator", "token": b.operator}},
		},
		"meta": map[string]any{
			"graph_url": graphURL,
			"apps":      []any{map[string]any{"id": "demo", "verify_token": b.verifyToken, "secrets": []any{b.appSecret}}},
		},
		"accounts": []any{map[string]any{
			"id":     accountID,
			"tokens": []any{map[string]any{"name": "admin", "token": b.token, "scopes": []any{"admin"}}},
			"channels": []any{
				map[string]any{
					"id": channelID, "kind": "whatsapp", "phone_number_id": phoneNumberID, "waba_id": wabaID,
					"access_token": accessToken, "default_country": "GB",
				},
				map[string]any{"id": "messenger", "kind": "messenger", "page_id": pageID},
				map[string]any{"id": "instagram", "kind": "instagram", "instagram_id": instagramID},
			},
		}},
	}
}
