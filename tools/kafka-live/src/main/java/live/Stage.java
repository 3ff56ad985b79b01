package live;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Where a scenario is played: a directory of its own, processes that end with it, ports that are free. */
public final class Stage implements AutoCloseable {
    public final Path root;
    public final String version;
    private final Path work;
    private final List<Process> processes = new ArrayList<>();
    private boolean kept;

    Stage(Path work, String version, String name) throws IOException {
        this.work = work;
        this.version = version;
        root = work.resolve("stage").resolve(name + "-" + version);
        remove(root);
        Files.createDirectories(root);
        Runtime.getRuntime().addShutdownHook(new Thread(this::endAll));
    }

    /** The jars of a version of Kafka, for a class path. */
    public String jars(String version) {
        return work.resolve("kafka-" + version) + "/*";
    }

    /** A port of the loopback interface that nobody listens to. */
    public int port() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Starts a process whose output goes to a file. It is killed when the scenario is over. */
    public Process start(Path output, List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).directory(root.toFile());
        builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(output.toFile()));
        Process process = builder.start();
        synchronized (processes) {
            processes.add(process);
        }
        return process;
    }

    /** Runs a command to its end; its output lines, or an error with them if it fails. */
    public List<String> run(List<String> command) throws Exception {
        Path output = Files.createTempFile(root, "run", ".txt");
        Process process = start(output, command);
        if (!process.waitFor(120, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException(command + " does not end");
        }
        List<String> lines = Files.readAllLines(output, StandardCharsets.UTF_8);
        if (process.exitValue() != 0) {
            throw new IOException(command + " ends with " + process.exitValue() + ": " + String.join("\n", lines));
        }
        return lines;
    }

    /** The command {@code strandline}. */
    public List<String> strandline(String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(System.getProperty("live.strandline")));
        command.addAll(List.of(args));
        return run(command);
    }

    /** A program that embeds strandline. */
    public List<String> side(String... args) throws Exception {
        return run(sideCommand(args));
    }

    /** The same, to be killed: it appends until then, and writes a line for each durable record. */
    public Process forever(Path output, String... args) throws Exception {
        return start(output, sideCommand(args));
    }

    private static List<String> sideCommand(String... args) {
        List<String> command = new ArrayList<>(List.of(System.getProperty("live.side")));
        command.addAll(List.of(args));
        return command;
    }

    void keepIf(boolean failed) {
        kept = failed;
    }

    @Override
    public void close() throws IOException {
        endAll();
        if (!kept) {
            remove(root);
        }
    }

    private void endAll() {
        synchronized (processes) {
            for (Process process : processes) {
                process.destroyForcibly();
            }
            for (Process process : processes) {
                process.onExit().join();
            }
            processes.clear();
        }
    }

    private static void remove(Path path) throws IOException {
        if (!Files.exists(path)) {
            return;
        }
        try (var all = Files.walk(path)) {
            for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(one);
            }
        }
    }
}
