// The npm package whatsapp-api-js on Express, as its documentation shows it, with kafkajs to keep what comes. It verifies,
// parses and calls us for the first item of each webhook.
import express from 'express'
import { Kafka, logLevel } from 'kafkajs'
import { WhatsAppAPI } from 'whatsapp-api-js/middleware/express'
import { announce, brokers, SECRET, TOPIC } from '../webhook.js'

const producer = new Kafka({ brokers, logLevel: logLevel.ERROR }).producer({ allowAutoTopicCreation: false })
await producer.connect()

const whatsapp = new WhatsAppAPI({ token: 'none', appSecret: SECRET, v: 'v26.0' })
const keep = ({ contact, raw }) =>
  producer.send({ topic: TOPIC, acks: -1, messages: [{ key: contact.wa_id, value: JSON.stringify(raw) }] })
whatsapp.on.message = keep
whatsapp.on.status = keep

const app = express()
app.post('/webhooks/meta', express.text({ type: '*/*', limit: '3mb' }), async (req, res) => {
  res.sendStatus(await whatsapp.handle_post(req))
})
const server = app.listen(0, '127.0.0.1', () => announce(server))
