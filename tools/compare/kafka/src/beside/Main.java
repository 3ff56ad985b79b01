package beside;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.slf4j.LoggerFactory;

/**
 * Does the work of rows when told so: a command a line, words parted by tabs; the answer is a line of
 * numbers, or begins with "failed".
 *
 * <pre>
 * append  DIRECTORY RECORDS BYTES BATCHES   nanoseconds
 * durable DIRECTORY RECORDS BYTES BATCHES   nanoseconds, and those of each
 * group   DIRECTORY BYTES WRITERS EACH      nanoseconds, and those of each
 * store   DIRECTORY RECORDS BYTES BATCHES MIXED   0; the log stays open until it is closed
 * scan    DIRECTORY                         nanoseconds, bytes of all values
 * get     DIRECTORY OFFSET...               nanoseconds, bytes of their values
 * close   DIRECTORY                         0
 * crash   DIRECTORY RECORDS BYTES BATCHES SEGMENT   0; the log is closed, and is not known to be
 * recover DIRECTORY                         nanoseconds
 * </pre>
 *
 * Before anything is done for the first time with records of some size it is done for some seconds
 * without being told, so that it is compiled. It ends with its input.
 */
public final class Main {
    private static final long WARM_NANOS = 3_000_000_000L;

    /** Work that can be repeated; it times itself. */
    private interface Work {
        List<Long> run() throws Exception;
    }

    private interface Step {
        void run() throws Exception;
    }

    private final Map<String, KafkaLog> stored = new HashMap<>();
    private final Set<String> warm = new HashSet<>();
    private int scratches = 0;

    public static void main(String[] args) throws Exception {
        silenceMissingLogger();
        Main main = new Main();
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String answer;
            try {
                answer = join(main.run(line.split("\t")));
            } catch (Exception | LinkageError failure) {
                answer = "failed: " + failure;
            }
            System.out.println(answer);
            System.out.flush();
        }
        // Whatever threads there are.
        System.exit(0);
    }

    /** Says nowhere that there is no binding for a logger: there is none on purpose. */
    private static void silenceMissingLogger() {
        PrintStream errors = System.err;
        System.setErr(new PrintStream(OutputStream.nullOutputStream()));
        LoggerFactory.getLogger(Main.class);
        System.setErr(errors);
    }

    private static String join(List<Long> numbers) {
        StringBuilder line = new StringBuilder();
        for (long number : numbers) {
            line.append(line.length() == 0 ? "" : " ").append(number);
        }
        return line.toString();
    }

    private List<Long> run(String[] words) throws Exception {
        String dir = words[1];
        switch (words[0]) {
            case "append":
            case "durable": {
                boolean durable = words[0].equals("durable");
                int records = number(words[2]), bytes = number(words[3]), batches = number(words[4]);
                String warmed = String.join(" ", words[0], words[2], words[3]);
                warmUp(warmed, () -> inScratch(dir, it -> append(it, records, bytes, batches / 4 + 1, durable)));
                return append(dir, records, bytes, batches, durable);
            }
            case "group": {
                int bytes = number(words[2]), writers = number(words[3]), each = number(words[4]);
                warmUp("group " + bytes, () -> inScratch(dir, it -> group(it, bytes, writers, each / 4 + 1)));
                return group(dir, bytes, writers, each);
            }
            case "store":
                return store(dir, number(words[2]), number(words[3]), number(words[4]), words[5].equals("1"));
            case "scan":
                warmUp("scan " + dir, () -> scan(dir));
                return scan(dir);
            case "get": {
                long[] offsets = new long[words.length - 2];
                for (int at = 0; at < offsets.length; at++) {
                    offsets[at] = Long.parseLong(words[at + 2]);
                }
                warmUp("get " + dir, () -> get(dir, offsets));
                return get(dir, offsets);
            }
            case "close":
                stored.remove(dir).close();
                return List.of(0L);
            case "crash":
                return crash(dir, number(words[2]), number(words[3]), number(words[4]), words[5]);
            case "recover":
                warmUp("recover", () -> recover(dir));
                return recover(dir);
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    private static int number(String word) {
        return Integer.parseInt(word);
    }

    /** Does work again and again if it was never done. */
    private void warmUp(String name, Work work) throws Exception {
        if (warm.add(name)) {
            long started = System.nanoTime();
            while (System.nanoTime() - started < WARM_NANOS) {
                work.run();
            }
        }
    }

    private interface InDirectory {
        List<Long> run(String dir) throws Exception;
    }

    /** Runs work in a directory beside another, and removes it. */
    private List<Long> inScratch(String beside, InDirectory work) throws Exception {
        File dir = new File(beside + "-warm-" + scratches++);
        try {
            return work.run(dir.getPath());
        } finally {
            remove(dir);
        }
    }

    private static void remove(File file) {
        File[] within = file.listFiles();
        if (within != null) {
            for (File it : within) {
                remove(it);
            }
        }
        file.delete();
    }

    private static List<Long> append(String dir, int records, int bytes, int batches, boolean durable)
            throws Exception {
        try (KafkaLog log = new KafkaLog(dir)) {
            KafkaLog.Writer writer = log.new Writer(records, bytes, false);
            writer.append();
            if (durable) {
                return each(batches, writer::appendDurably);
            }
            long started = System.nanoTime();
            for (int batch = 0; batch < batches; batch++) {
                writer.append();
            }
            return List.of(System.nanoTime() - started);
        }
    }

    /** How long all runs of a step took together, and then each of them. */
    private static List<Long> each(int times, Step step) throws Exception {
        List<Long> took = new ArrayList<>(times + 1);
        long started = System.nanoTime();
        for (int number = 0; number < times; number++) {
            long began = System.nanoTime();
            step.run();
            took.add(System.nanoTime() - began);
        }
        took.add(0, System.nanoTime() - started);
        return took;
    }

    private static List<Long> group(String dir, int bytes, int writers, int times) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(writers);
        try (KafkaLog log = new KafkaLog(dir)) {
            List<Callable<List<Long>>> work = new ArrayList<>();
            for (int number = 0; number < writers; number++) {
                KafkaLog.Writer writer = log.new Writer(1, bytes, false);
                work.add(() -> each(times, writer::appendDurably));
            }
            List<Long> took = new ArrayList<>();
            long started = System.nanoTime();
            for (Future<List<Long>> done : threads.invokeAll(work)) {
                List<Long> its = done.get();
                took.addAll(its.subList(1, its.size()));
            }
            took.add(0, System.nanoTime() - started);
            return took;
        } finally {
            threads.shutdown();
        }
    }

    private List<Long> store(String dir, int records, int bytes, int batches, boolean mixed)
            throws IOException {
        KafkaLog log = new KafkaLog(dir);
        KafkaLog.Writer writer = log.new Writer(records, bytes, mixed);
        for (int batch = 0; batch < batches; batch++) {
            writer.append();
        }
        log.flush();
        stored.put(dir, log);
        return List.of(0L);
    }

    private List<Long> scan(String dir) throws IOException {
        KafkaLog log = stored.get(dir);
        long started = System.nanoTime();
        long seen = log.scan();
        return List.of(System.nanoTime() - started, seen);
    }

    private List<Long> get(String dir, long[] offsets) throws IOException {
        KafkaLog log = stored.get(dir);
        long seen = 0;
        long started = System.nanoTime();
        for (long offset : offsets) {
            seen += log.get(offset);
        }
        return List.of(System.nanoTime() - started, seen);
    }

    private static List<Long> crash(String dir, int records, int bytes, int batches, String segment)
            throws IOException {
        Map<String, String> settings = Map.of("segment.bytes", segment, "retention.ms", "-1");
        try (KafkaLog log = new KafkaLog(dir, settings, true)) {
            KafkaLog.Writer writer = log.new Writer(records, bytes, false);
            for (int batch = 0; batch < batches; batch++) {
                writer.append();
            }
        }
        return List.of(0L);
    }

    /** Opens a log as after a crash, from its first offset on; closing it takes no part in the time. */
    private static List<Long> recover(String dir) throws IOException {
        long started = System.nanoTime();
        try (KafkaLog log = new KafkaLog(dir, Map.of("retention.ms", "-1"), false)) {
            return List.of(System.nanoTime() - started);
        }
    }
}
