package bus

// Queued gives the bytes that wait for Kafka's acknowledgement.
func (b *Bus) Queued() int {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	return b.queue.bytes
}
