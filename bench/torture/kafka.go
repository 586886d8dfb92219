package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// kafka is a real Kafka of one or three nodes, each behind a cable.
type kafka struct {
	dir   string
	nodes []*node
	disk  *disk // that a single node writes to; nil: an ordinary folder
}

// startKafka starts so many nodes. What has been started is stopped by stop, also after an error.
func startKafka(ctx context.Context, dir string, count int) (*kafka, error) {
	k := &kafka{dir: dir}
	if count == 1 {
		k.disk = newDisk(ctx, dir)
	}
	var ports, told []string
	for i := range count {
		port, err := freePort()
		if err != nil {
			return k, err
		}
		shown, err := freePort()
		if err != nil {
			return k, err
		}
		cable, err := newCable(local(shown), local(port))
		if err != nil {
			return k, err
		}
		ports, told = append(ports, port), append(told, local(shown))
		n := &node{name: fmt.Sprintf("kafka %d", i+1), dir: dir, port: port, cable: cable}
		if count > 1 {
			n.dir = filepath.Join(dir, fmt.Sprint(i+1))
		}
		k.nodes = append(k.nodes, n)
	}
	env := []string{"KAFKA_PORTS=" + strings.Join(ports, " "), "KAFKA_ADVERTISED=" + strings.Join(told, " "), "KAFKA_HEAP=350m"}
	arguments := []string{"start", dir}
	if count > 1 {
		arguments = []string{"cluster", dir, fmt.Sprint(count)}
	}
	pids, _, err := script(ctx, "kafka.sh", env, arguments...)
	for i, pid := range pids {
		k.nodes[i].pid = pid
	}
	return k, err
}

// brokers gives the addresses that clients are told, through the cables.
func (k *kafka) brokers() (addresses []string) {
	for _, n := range k.nodes {
		addresses = append(addresses, n.cable.listen)
	}
	return addresses
}

// restart starts a node again on its data.
func (k *kafka) restart(ctx context.Context, n *node) error {
	pids, _, err := script(ctx, "kafka.sh", nil, "restart", n.dir)
	if err != nil {
		return err
	}
	n.pid = pids[0]
	return nil
}

// stop ends all nodes; their data is of no further use.
func (k *kafka) stop() {
	for _, n := range k.nodes {
		_ = n.signal(syscall.SIGKILL) // it may have ended by itself
		n.cable.cut()
	}
	if k.disk != nil {
		k.disk.close()
	}
}
