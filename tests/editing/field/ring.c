#include <stdlib.h>
#include <string.h>

#include "ring.h"

/*
 * A ring of bytes. One place is always left empty,
 * so that full and empty can be told apart.
 */
struct ring {
	size_t size;
	size_t head;
	size_t tail;
	unsigned char *data;
};

struct ring *ring_new(size_t size)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return NULL;
	ring->data = malloc(size + 1);
	if (!ring->data) {
		free(ring);
		return NULL;
	}
	ring->size = size + 1;
	return ring;
}

void ring_free(struct ring *ring)
{
	if (ring) {
		free(ring->data);
		free(ring);
	}
}

int ring_put(struct ring *ring, unsigned char byte)
{
	size_t next = (ring->head + 1) % ring->size;

	if (next == ring->tail)
		return -1;
	ring->data[ring->head] = byte;
	ring->head = next;
	return 0;
}

int ring_get(struct ring *ring, unsigned char *byte)
{
	if (ring->head == ring->tail)
		return -1;
	*byte = ring->data[ring->tail];
	ring->tail = (ring->tail + 1) % ring->size;
	return 0;
}

size_t ring_used(const struct ring *ring)
{
	return (ring->head + ring->size - ring->tail) % ring->size;
}
