package httpd

import (
	"syscall"

	"github.com/rs/zerolog"
)

// others is how many files are left to the rest of the process: logs, Kafka, Redis, calls, the other listener.
const others = 3072

// connections gives how many connections a listener may take where it wants so many: each is an open file, and a process that
// has none left can't even reach Kafka. Go has raised the limit as far as it may by itself.
func connections(wanted int, key string, log zerolog.Logger) int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		log.Warn().Err(err).Msg("how many files may be open is not known")
		return wanted
	}
	most := int(min(files.Cur, 1<<30))
	if most = max(most-others, most/4); wanted <= most {
		return wanted
	}
	log.Warn().Str("listener", key).Int("connections", most).Int("wanted", wanted).Uint64("open_files", files.Cur).
		Int("needed", wanted+others).Msg("too few files may be open for all connections: raise the limit (ulimit -n, LimitNOFILE)")
	return most
}
