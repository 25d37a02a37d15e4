package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"airlock/handlers/internal/config"
	"airlock/handlers/internal/dsse"
	"airlock/handlers/internal/keyvault"
)

// newSigner is the key of this airlock: in Key Vault, or in a file where there is no vault.
func newSigner(cfg config.Config, credential azcore.TokenCredential) (dsse.Signer, error) {
	if cfg.SigningKeyURL != "" {
		key, err := keyvault.New(keyvault.Options{URL: cfg.SigningKeyURL, Credential: credential})
		if err != nil {
			return dsse.Signer{}, fmt.Errorf("AIRLOCK_SIGNING_KEY_URL: %w", err)
		}
		return dsse.Signer{Key: key}, nil
	}
	text, err := os.ReadFile(cfg.SigningKeyFile)
	if err != nil {
		return dsse.Signer{}, errors.New("AIRLOCK_SIGNING_KEY_FILE: it cannot be read")
	}
	key, err := dsse.ParsePrivate(text)
	if err != nil {
		return dsse.Signer{}, fmt.Errorf("AIRLOCK_SIGNING_KEY_FILE: %w", err)
	}
	return dsse.Signer{Key: key}, nil
}
