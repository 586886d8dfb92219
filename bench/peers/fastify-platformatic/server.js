// Fastify and @platformatic/kafka: the fastest pair that Node has.
import Fastify from 'fastify'
import { ProduceAcks, Producer, stringSerializer } from '@platformatic/kafka'
import { announce, brokers, person, signed, TOPIC } from '../webhook.js'

const asItIs = (buffer) => buffer
const producer = new Producer({
  clientId: 'peer', bootstrapBrokers: brokers, acks: ProduceAcks.ALL, autocreateTopics: false,
  serializers: { key: stringSerializer, value: asItIs }
})

const app = Fastify({ bodyLimit: 3 << 20 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (req, body, done) => done(null, body)) // the raw bytes are what is signed
app.post('/webhooks/meta', async (req, reply) => {
  if (!signed(req.body, req.headers['x-hub-signature-256'])) return reply.code(401).send()
  const webhook = JSON.parse(req.body)
  try {
    await producer.send({ messages: [{ topic: TOPIC, key: person(webhook), value: req.body }] })
    return reply.code(200).send()
  } catch {
    return reply.code(503).send()
  }
})
await app.listen({ host: '127.0.0.1', port: 0 })
announce(app.server)
