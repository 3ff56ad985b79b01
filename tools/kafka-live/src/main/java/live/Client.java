package live;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What Java clients send and see. Records and states are lines as {@code side read} and {@code side state} have them. */
public final class Client {
    private static final HexFormat HEX = HexFormat.of();
    private final String servers;

    public Client(Broker broker) {
        servers = "127.0.0.1:" + broker.port;
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", servers, "default.api.timeout.ms", 120000));
    }

    public void create(String topic, int partitions, int replicas, Map<String, String> settings) throws Exception {
        try (Admin admin = admin()) {
            NewTopic made = new NewTopic(topic, partitions, (short) replicas).configs(settings);
            admin.createTopics(List.of(made)).all().get();
        }
    }

    /** Sends records, one batch each, and waits until each is acknowledged by all in-sync replicas. */
    public List<String> produce(String topic, int partition, String codec, int count, String prefix) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", servers, "acks", "all",
                "compression.type", codec, "linger.ms", 0,
                "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class);
        List<String> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            for (int number = 0; number < count; number++) {
                String value = String.format("%s-%06d", prefix, number);
                producer.send(new ProducerRecord<>(topic, partition, "k", value)).get();
                sent.add(value);
            }
        }
        return sent;
    }

    /** One transaction; the coordinator gives the producer an id that nobody has had. */
    public void transaction(String id, String topic, int count, boolean commit) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", servers, "transactional.id", id,
                "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, 0, "k", id + "-" + number)).get();
            }
            if (commit) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
        }
    }

    /** All topics but Kafka's own. */
    public Set<String> topics() throws Exception {
        try (Admin admin = admin()) {
            return new TreeSet<>(admin.listTopics().names().get());
        }
    }

    private List<TopicPartition> partitions(Admin admin) throws Exception {
        List<TopicPartition> all = new ArrayList<>();
        for (var topic : admin.describeTopics(topics()).allTopicNames().get().values()) {
            for (var partition : topic.partitions()) {
                all.add(new TopicPartition(topic.name(), partition.partition()));
            }
        }
        all.sort((a, b) -> a.topic().equals(b.topic()) ? a.partition() - b.partition() : a.topic().compareTo(b.topic()));
        return all;
    }

    /** Every record of every topic, in both isolations. */
    public List<String> read() throws Exception {
        List<String> lines = new ArrayList<>();
        try (Admin admin = admin()) {
            for (TopicPartition partition : partitions(admin)) {
                for (String isolation : List.of("read_uncommitted", "read_committed")) {
                    lines.addAll(read(partition, isolation));
                }
            }
        }
        return lines;
    }

    /** Every record of a partition. */
    public List<String> read(TopicPartition partition, String isolation) {
        List<String> lines = new ArrayList<>();
        for (var record : consume(partition, isolation)) {
            lines.add((isolation.equals("read_committed") ? "C " : "U ") + line(record));
        }
        return lines;
    }

    /** The values of a partition's records. */
    public List<String> values(String topic, int partition) {
        List<String> values = new ArrayList<>();
        for (var record : consume(new TopicPartition(topic, partition), "read_uncommitted")) {
            values.add(record.value() == null ? "null" : new String(record.value()));
        }
        return values;
    }

    private List<ConsumerRecord<byte[], byte[]>> consume(TopicPartition partition, String isolation) {
        Map<String, Object> settings = Map.of("bootstrap.servers", servers, "isolation.level", isolation,
                "enable.auto.commit", false, "auto.offset.reset", "earliest",
                "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class);
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            long until = System.nanoTime() + Duration.ofSeconds(120).toNanos();
            while (consumer.position(partition) < end && System.nanoTime() < until) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
        }
        return records;
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder(String.format("%s %d %d %d %s %s %s", record.topic(),
                record.partition(), record.offset(), record.timestamp(),
                record.timestampType() == TimestampType.LOG_APPEND_TIME ? "L" : "C",
                hex(record.key()), hex(record.value())));
        record.headers().forEach(header ->
                line.append(' ').append(hex(header.key().getBytes())).append('=').append(hex(header.value())));
        return line.toString();
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "-" : "x" + HEX.formatHex(bytes);
    }

    /** Ids and bounds of every topic, as lines. */
    public List<String> state() throws Exception {
        List<String> lines = new ArrayList<>();
        try (Admin admin = admin()) {
            for (var topic : new TreeMap<>(admin.describeTopics(topics()).allTopicNames().get()).values()) {
                lines.add("id " + topic.name() + " " + topic.topicId());
            }
            for (TopicPartition partition : partitions(admin)) {
                long start = offset(admin, partition, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED);
                long end = offset(admin, partition, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED);
                long stable = offset(admin, partition, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED);
                lines.add(String.format("bounds %s %d %d %d %d", partition.topic(), partition.partition(), start, end, stable));
            }
        }
        return lines;
    }

    private static long offset(Admin admin, TopicPartition partition, OffsetSpec spec, IsolationLevel isolation)
            throws Exception {
        return admin.listOffsets(Map.of(partition, spec), new ListOffsetsOptions(isolation))
                .partitionResult(partition).get().offset();
    }

    /** What is set of a topic, and no default. */
    public Map<String, String> settings(String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Map<String, String> set = new TreeMap<>();
        try (Admin admin = admin()) {
            for (var entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
                if (entry.source().name().equals("DYNAMIC_TOPIC_CONFIG")) {
                    set.put(entry.name(), entry.value());
                }
            }
        }
        return set;
    }
}
