package beside;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/** One partition through Kafka's own log layer, with its defaults. */
final class KafkaLog implements AutoCloseable {
    private static final int DAY_MS = 86_400_000;
    private static final int FETCHED = 1 << 20;
    private static final KafkaScheduler SCHEDULER = new KafkaScheduler(1, true);
    private static final BrokerTopicStats STATS = new BrokerTopicStats();

    static {
        SCHEDULER.startup();
    }

    private final UnifiedLog log;
    /** What readers read into; of one thread, as is everything here but appending and flushing. */
    private ByteBuffer room = ByteBuffer.allocate(FETCHED);

    /** A new log. */
    KafkaLog(String dir) throws IOException {
        this(dir, Map.of(), true);
    }

    /** A log that may be there already; if it was not closed cleanly all of it is recovered. */
    KafkaLog(String dir, Map<String, String> settings, boolean isNewOrClosed) throws IOException {
        File partition = new File(dir, "compare-0");
        if (!partition.mkdirs() && isNewOrClosed) {
            throw new IOException("cannot make " + partition);
        }
        log = UnifiedLog.create(partition, new LogConfig(settings), 0, 0, SCHEDULER, STATS, Time.SYSTEM,
                DAY_MS, new ProducerStateManagerConfig(DAY_MS, false), DAY_MS,
                new LogDirFailureChannel(1), isNewOrClosed, Optional.empty());
    }

    /**
     * Builds batches, each in the same memory, and appends them. One for each thread. Records are of so
     * many bytes, or, if they are mixed, of half of that to one and a half.
     */
    final class Writer {
        private final int records;
        private final int bytes;
        private final boolean mixed;
        private final ByteBuffer value;
        private final ByteBuffer buffer;
        private long state = 0;

        Writer(int records, int bytes, boolean mixed) {
            this.records = records;
            this.bytes = bytes;
            this.mixed = mixed;
            byte[] most = new byte[2 * bytes];
            Arrays.fill(most, (byte) 'x');
            value = ByteBuffer.wrap(most);
            buffer = ByteBuffer.allocate(128 + records * (2 * bytes + 32));
        }

        private ByteBuffer draw() {
            if (mixed) {
                state = state * 6_364_136_223_846_793_005L + 1;
                value.limit(bytes / 2 + (int) ((state >>> 33) % (bytes + 1)));
            } else {
                value.limit(bytes);
            }
            return value;
        }

        /** The offset behind the batch. */
        long append() throws IOException {
            buffer.clear();
            MemoryRecordsBuilder batch =
                    MemoryRecords.builder(buffer, Compression.NONE, TimestampType.CREATE_TIME, 0);
            long now = System.currentTimeMillis();
            for (int number = 0; number < records; number++) {
                batch.append(now, null, draw());
            }
            return log.appendAsLeader(batch.build(), 0).lastOffset() + 1;
        }

        void appendDurably() throws IOException {
            log.flushUptoOffsetExclusive(append());
        }
    }

    void flush() {
        log.flush(false);
    }

    /** All records from front to back, the checksum of each batch verified; the bytes of their values. */
    long scan() throws IOException {
        long seen = 0;
        long at = 0;
        long end = log.logEndOffset();
        while (at < end) {
            for (MutableRecordBatch batch : read(at, FETCHED).batches()) {
                batch.ensureValid();
                for (Record record : batch) {
                    seen += record.valueSize();
                }
                at = batch.nextOffset();
            }
        }
        return seen;
    }

    /** The bytes of the value at an offset, the checksum of its batch verified. */
    int get(long offset) throws IOException {
        for (MutableRecordBatch batch : read(offset, 1).batches()) {
            batch.ensureValid();
            for (Record record : batch) {
                if (record.offset() == offset) {
                    return record.valueSize();
                }
            }
        }
        throw new IOException("no record at " + offset);
    }

    /** Whole batches from the one that holds the offset on: at least that one, else so many bytes. */
    private MemoryRecords read(long offset, int most) throws IOException {
        FileRecords found = (FileRecords) log.read(offset, most, FetchIsolation.LOG_END, true).records;
        if (found.sizeInBytes() > room.capacity()) {
            room = ByteBuffer.allocate(found.sizeInBytes());
        }
        room.clear().limit(found.sizeInBytes());
        found.readInto(room, 0);
        return MemoryRecords.readableRecords(room);
    }

    @Override
    public void close() {
        log.close();
    }
}
