package configs

func (k *checker) kafka(c *Kafka) {
	k.servers("kafka.brokers", "kafka:9092", c.Brokers)
	if c.SingleCopy != "" && c.SingleCopy != Accepted {
		k.badf("kafka.single_copy", "must be %q, or absent where three brokers keep each record", Accepted)
	}
	k.tls("kafka.tls", &c.TLS)
	k.sasl(&c.SASL)
	if c.Embedded() && (c.TLS.Enabled || c.SASL != (SASL{})) {
		k.badf("kafka.brokers", "must be given where kafka.tls or kafka.sasl is: the embedded Kafka needs neither")
	}
}

func (k *checker) sasl(s *SASL) {
	if s.Mechanism == "" {
		if s.Username != "" || !s.Password.Empty() {
			k.badf("kafka.sasl.mechanism", "must be one of %s where a username or password is given", mechanisms)
		}
		return
	}
	k.oneOf("kafka.sasl.mechanism", s.Mechanism, SASLPlain, SASLScram256, SASLScram512)
	if s.Username == "" {
		k.badf("kafka.sasl.username", "must not be empty")
	}
	k.secret("kafka.sasl.password", s.Password)
}

// The mechanisms of kafka.sasl.
const (
	SASLPlain    = "plain"
	SASLScram256 = "scram-sha-256"
	SASLScram512 = "scram-sha-512"

	mechanisms = SASLPlain + ", " + SASLScram256 + ", " + SASLScram512
)

func (k *checker) redis(c *Redis) {
	k.servers("redis.addresses", "redis:6379", c.Addresses)
	k.tls("redis.tls", &c.TLS)
	if c.Username != "" || !c.Password.Empty() {
		k.secret("redis.password", c.Password)
	}
	if c.Embedded() && (c.TLS.Enabled || c.Master != "" || c.Username != "" || !c.Password.Empty()) {
		k.badf("redis.addresses", "must be given where redis.tls, redis.master or a login is: the embedded Redis needs none")
	}
}

// tls checks how we speak to a server over TLS, and reads the files once.
func (k *checker) tls(path string, t *TLS) {
	if !t.Enabled {
		if *t != (TLS{}) {
			k.badf(path+".enabled", "is false, but other keys of %s are given: set it to true or remove them", path)
		}
		return
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		k.badf(path, "cert_file and key_file go together: give both or none")
		return
	}
	if _, err := t.Client(); err != nil {
		k.badf(path, "%s", err.Error())
	}
}
