package live.scenarios;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import live.Broker;
import live.Differs;
import live.Scenario;
import live.Stage;

/** Kafka is started on a store that was not handed over, and sets everything aside. */
public final class Unprepared implements Scenario {
    @Override
    public String name() {
        return "unprepared";
    }

    @Override
    public String promise() {
        return "a store on which Kafka was started unprepared is put back, whole, and can then be handed over";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        stage.side("fill", dir.toString());
        List<String> records = stage.side("read", dir.toString());
        Broker broker = Broker.fresh(stage, dir).start();
        for (int tries = 0; strays(dir) < 12 && tries < 300; tries++) {
            Thread.sleep(100);
        }
        broker.stop();
        Differs.unless(strays(dir) >= 12, "Kafka set aside " + strays(dir) + " directories only");
        stage.strandline("adopt", "-d", dir.toString(), "--put-back-strays");
        Differs.unless(strays(dir) == 0, "strays are left");
        Differs.lists("records", records, stage.side("read", dir.toString()));
        try {
            stage.strandline("hand-over", "-d", dir.toString());
            throw new Differs("it was handed over beside a metadata log");
        } catch (java.io.IOException refused) {
            Differs.unless(refused.getMessage().contains("__cluster_metadata-0"), refused.getMessage());
        }
        // As the message says: the metadata log is moved away first.
        Path aside = stage.root.resolve("aside");
        Files.move(dir.resolve("__cluster_metadata-0"), aside);
        int port = stage.port();
        List<String> printed = stage.strandline("hand-over", "-d", dir.toString(), "--kafka",
                stage.version.substring(0, 3), "--start-script", "--listener", "127.0.0.1:" + port,
                "--controller", "127.0.0.1:" + stage.port());
        printed.removeIf(line -> line.startsWith("note:"));
        records = stage.side("read", dir.toString());
        Broker again = Broker.handedOver(stage, dir, port, printed, "again").start();
        again.complainedOfNothing();
        Differs.lists("records, in Kafka", records, new live.Client(again).read());
        again.stop();
        try (var all = Files.walk(aside)) {
            for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(one);
            }
        }
    }

    private static long strays(Path dir) throws Exception {
        try (var names = Files.list(dir)) {
            return names.filter(name -> name.toString().endsWith("-stray")).count();
        }
    }
}
