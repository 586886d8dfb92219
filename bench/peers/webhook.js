// What every peer in Node has in common: the environment (BROKERS, TOPIC, SECRET), the signature, and who a webhook is of.
import { createHmac, timingSafeEqual } from 'node:crypto'

export const { BROKERS = '', TOPIC = '', SECRET = '' } = process.env
export const brokers = BROKERS.split(',')

// signed says whether Meta made this signature over these bytes.
export function signed (body, header) {
  const given = Buffer.from(String(header ?? '').replace(/^sha256=/, ''), 'hex')
  const made = createHmac('sha256', SECRET).update(body).digest()
  return given.length === made.length && timingSafeEqual(given, made)
}

// person gives the phone number that the first item is of: the key, so that one person's webhooks stay in order.
export function person (webhook) {
  const value = webhook.entry?.[0]?.changes?.[0]?.value
  return value?.messages?.[0]?.from ?? value?.statuses?.[0]?.recipient_id ?? ''
}

// announce tells whoever started us where we listen.
export function announce (server) {
  console.log(`listening on 127.0.0.1:${server.address().port}`)
}
