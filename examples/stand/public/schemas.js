/**
 * What a student's file and the event look like, said once: for the routes, the room, the page, and whoever writes a
 * client or a test. Plain JSON Schema, so that a browser can import it as it is.
 */

export const STUDENT = /** @type {const} */ ({
  type: 'object',
  title: 'A student’s file',
  required: ['id', 'name', 'firstname', 'promo', 'curriculum', 'registered', 'paid', 'teeShirt', 'note', 'version', 'change'],
  additionalProperties: false,
  properties: {
    id: { type: 'string' },
    name: { type: 'string' },
    firstname: { type: 'string' },
    promo: { type: 'integer' },
    curriculum: { type: 'string' },
    registered: { type: 'boolean', title: 'Registered' },
    paid: { type: 'boolean', title: 'Paid' },
    teeShirt: { type: 'boolean', title: 'Tee-shirt' },
    note: { type: 'string', maxLength: 200 },
    version: { type: 'integer', description: 'Rises with each change.' },
    change: {
      description: 'The last change, or null where there was none.',
      anyOf: [{ type: 'null' }, {
        type: 'object',
        required: ['by', 'fields', 'at'],
        additionalProperties: false,
        properties: {
          by: { type: 'string' },
          fields: { type: 'array', items: { type: 'string' } },
          at: { type: 'string', description: 'When, in ISO 8601.' }
        }
      }]
    }
  }
})

const { registered, paid, teeShirt, note } = STUDENT.properties

/** What volunteers may change in a file. */
export const CHANGES = /** @type {const} */ ({
  type: 'object',
  minProperties: 1,
  additionalProperties: false,
  properties: { registered, paid, teeShirt, note }
})

/** The steps that each student goes through. */
export const STEPS = /** @type {const} */ ({ registered, paid, teeShirt })

/** Only while the event is `onsite` do volunteers stand behind tablets, and want to hear at once what others change. */
export const EVENT = /** @type {const} */ ({
  type: 'object',
  required: ['status'],
  additionalProperties: false,
  properties: { status: { enum: ['pending', 'online', 'onsite', 'closed'] } }
})

/** What the page is shown first. */
export const BOARD = /** @type {const} */ ({
  type: 'object',
  required: ['event', 'students'],
  additionalProperties: false,
  properties: { event: EVENT, students: { type: 'array', items: STUDENT } }
})
