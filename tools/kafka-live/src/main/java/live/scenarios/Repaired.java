package live.scenarios;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import live.Broker;
import live.Client;
import live.Differs;
import live.Scenario;
import live.Stage;

/** A broker's partition rots in two places while it is stopped, and is mended by {@code strandline repair}. */
public final class Repaired implements Scenario {
    private static final int RECORDS = 60;
    private static final String TOPIC = "rotten";

    @Override
    public String name() {
        return "repaired";
    }

    @Override
    public String promise() {
        return "of a partition with a flipped bit and a batch that was written over, all but that batch is served, and it goes on";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        Broker broker = Broker.fresh(stage, dir).start();
        Client client = new Client(broker);
        client.create(TOPIC, 1, 1, Map.of("segment.bytes", "1048576"));
        List<String> sent = client.produce(TOPIC, 0, "none", RECORDS, "sent");
        broker.stop();

        Path partition = dir.resolve(TOPIC + "-0");
        Path log = partition.resolve("00000000000000000000.log");
        byte[] bytes = Files.readAllBytes(log);
        int each = bytes.length / RECORDS;
        // One bit of the value of record 10; the value of record 20 as a whole.
        bytes[10 * each + each - 3] ^= 4;
        for (int at = 20 * each + each - 8; at < 21 * each - 1; at++) {
            bytes[at] = '?';
        }
        Files.write(log, bytes);
        Path mended = stage.root.resolve("mended");
        stage.strandline("repair", "--fix-bitflips", "--to", mended.toString(), partition.toString());
        Files.move(partition, stage.root.resolve("damaged"));
        Files.move(mended, partition);
        stage.strandline("verify", "--deep", partition.toString());

        broker.start();
        broker.complainedOfNothing();
        List<String> left = new ArrayList<>(sent);
        left.remove(20);
        Differs.lists("values", left, client.values(TOPIC, 0));
        left.addAll(client.produce(TOPIC, 0, "zstd", 3, "behind"));
        Differs.lists("values at last", left, client.values(TOPIC, 0));
        broker.stop();
    }
}
