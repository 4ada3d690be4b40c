"""A producer of what Python's client cannot send: headers whose names are no UTF-8."""

import ctypes
from pathlib import Path

import confluent_kafka

END, TOPIC, VALUE, KEY, FLAGS, HEADER = 0, 1, 4, 5, 7, 9
"""`rd_kafka_vtype_t` of rdkafka.h."""
PRODUCER, COPY = 0, 2
ERROR_BYTES = 512


def load_library():
    """The librdkafka that the client itself uses."""
    packages = Path(confluent_kafka.__file__).parents[1]
    (file,) = packages.glob("confluent_kafka.libs/librdkafka-*.so*")
    library = ctypes.CDLL(str(file))
    for name in ("rd_kafka_new", "rd_kafka_conf_new"):
        getattr(library, name).restype = ctypes.c_void_p
    return library


def send_raw(bootstrap, topic, key, value, headers):
    """Send one message whose header names are bytes, and wait until the broker has it."""
    library, error = load_library(), ctypes.create_string_buffer(ERROR_BYTES)
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    set_to = (b"bootstrap.servers", bootstrap.encode(), error, ctypes.c_size_t(ERROR_BYTES))
    assert library.rd_kafka_conf_set(conf, *set_to) == 0, error.value
    made = library.rd_kafka_new(PRODUCER, conf, error, ctypes.c_size_t(ERROR_BYTES))
    assert made, error.value
    producer = ctypes.c_void_p(made)
    arguments = [TOPIC, topic.encode(), FLAGS, COPY]
    arguments += [VALUE, value, ctypes.c_size_t(len(value))]
    arguments += [KEY, key, ctypes.c_size_t(len(key))]
    for name, content in headers:
        arguments += [HEADER, name, content, ctypes.c_ssize_t(len(content))]
    try:
        assert library.rd_kafka_producev(producer, *arguments, END) == 0
        assert library.rd_kafka_flush(producer, 20_000) == 0
    finally:
        library.rd_kafka_destroy(producer)
