// Express and kafkajs: what most tutorials end with.
import express from 'express'
import { Kafka, logLevel } from 'kafkajs'
import { announce, brokers, person, signed, TOPIC } from '../webhook.js'

const producer = new Kafka({ brokers, logLevel: logLevel.ERROR }).producer({ allowAutoTopicCreation: false })
await producer.connect()

const app = express()
app.post('/webhooks/meta', express.raw({ type: '*/*', limit: '3mb' }), async (req, res) => {
  if (!signed(req.body, req.headers['x-hub-signature-256'])) return res.sendStatus(401)
  const webhook = JSON.parse(req.body)
  try {
    await producer.send({ topic: TOPIC, acks: -1, messages: [{ key: person(webhook), value: req.body }] })
    res.sendStatus(200)
  } catch {
    res.sendStatus(503)
  }
})
const server = app.listen(0, '127.0.0.1', () => announce(server))
