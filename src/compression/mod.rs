//! Codecs, framed as Kafka frames them.
