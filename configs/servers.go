package configs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Kafka is where what happened is kept.
type Kafka struct {
	Brokers      []string `yaml:"brokers"`       // host:port each; empty: embedded
	SingleCopy   string   `yaml:"single_copy"`   // "accepted": topics are made with one copy of each record, which dies with its disk; else with three
	EmbeddedSync bool     `yaml:"embedded_sync"` // embedded: a write is on the disk before it is acknowledged
	TLS          TLS      `yaml:"tls"`
	SASL         SASL     `yaml:"sasl"`
}

// Embedded says that Kafka runs inside the process.
func (k *Kafka) Embedded() bool { return len(k.Brokers) == 0 }

// Accepted is what kafka.single_copy says where one copy of each record is enough.
const Accepted = "accepted"

// SASL is how we log in to Kafka.
type SASL struct {
	Mechanism string `yaml:"mechanism"` // plain, scram-sha-256 or scram-sha-512; empty: no login
	Username  string `yaml:"username"`
	Password  Secret `yaml:"password"`
}

// Redis is where what is in force is looked up. All of it can be made anew from Kafka.
type Redis struct {
	Addresses []string `yaml:"addresses"` // host:port each; empty: embedded; several: Cluster, or Sentinels where master is set
	Master    string   `yaml:"master"`    // the master's name among Sentinels
	Username  string   `yaml:"username"`
	Password  Secret   `yaml:"password"`
	TLS       TLS      `yaml:"tls"`
}

// Embedded says that Redis runs inside the process.
func (r *Redis) Embedded() bool { return len(r.Addresses) == 0 }

// TLS is how we speak to a server over TLS.
type TLS struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`     // certificates (PEM) that we trust instead of the system's
	CertFile   string `yaml:"cert_file"`   // our own certificate (PEM), where the server asks for one
	KeyFile    string `yaml:"key_file"`    // its key (PEM)
	ServerName string `yaml:"server_name"` // name in the server's certificate, where it is not the host's
}

// Client reads the files and gives what a client needs; nil where TLS is not enabled.
func (t *TLS) Client() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca_file: holds no certificate in PEM")
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
