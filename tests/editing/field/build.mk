# Builds the library and its manual.
CC ?= cc
CFLAGS += -O2 -Wall -Wextra
SOURCES := $(wildcard src/*.c)
OBJECTS := $(SOURCES:src/%.c=out/%.o)

.PHONY: all clean install
all: out/libring.a out/ring.html

out/%.o: src/%.c src/ring.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

out/libring.a: $(OBJECTS)
	rm -f $@
	ar rcs $@ $^

out/ring.html: manual/ring.md
	@mkdir -p $(@D)
	@if command -v pandoc > /dev/null; then \
		pandoc --standalone -o $@ $<; \
	else \
		echo "no pandoc, so no manual"; \
		touch $@; \
	fi

install: all
	install -d $(DESTDIR)/usr/local/lib $(DESTDIR)/usr/local/include
	install -m 644 out/libring.a $(DESTDIR)/usr/local/lib/
	install -m 644 src/ring.h $(DESTDIR)/usr/local/include/

clean:
	rm -rf out
