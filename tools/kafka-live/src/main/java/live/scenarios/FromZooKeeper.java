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

/** A broker of 2.8, with ZooKeeper: its directory is adopted, appended to and given back. */
public final class FromZooKeeper implements Scenario {
    @Override
    public String name() {
        return "from-zookeeper";
    }

    @Override
    public String promise() {
        return "a 2.8 broker's directory is adopted, appended to, given back without recovery, and after kill -9";
    }

    @Override
    public List<String> versions() {
        return List.of("2.8.2");
    }

    @Override
    public void play(Stage stage) throws Exception {
        int port = stage.port();
        Path settings = stage.root.resolve("zookeeper.properties");
        Files.writeString(settings, String.join("\n", "dataDir=" + stage.root.resolve("zookeeper"),
                "clientPort=" + port, "clientPortAddress=127.0.0.1", "admin.enableServer=false", "maxClientCnxns=0"));
        stage.start(stage.root.resolve("zookeeper.log"), List.of("java", "-Xmx128m", "-XX:+UseSerialGC", "-cp",
                stage.jars(stage.version), "org.apache.zookeeper.server.quorum.QuorumPeerMain", settings.toString()));
        Path dir = stage.root.resolve("data");
        Broker broker = Broker.withZooKeeper(stage, stage.version, dir, port).start();
        Client client = new Client(broker);
        client.create("events", 1, 1, Map.of("retention.ms", "-1"));
        List<String> sent = new ArrayList<>();
        for (String codec : Directories.CODECS) {
            sent.addAll(client.produce("events", 0, codec, 3, "kafka-" + codec));
        }
        List<String> before = client.read();
        broker.stop();
        stage.strandline("adopt", "-d", dir.toString());
        Differs.lists("records, as strandline reads them", before, stage.side("read", dir.toString()));
        for (String codec : Directories.CODECS) {
            for (String line : stage.side("append", dir.toString(), "events", "0", codec, "3", "ours-" + codec)) {
                sent.add(line.split(" ")[1]);
            }
        }
        List<String> records = stage.side("read", dir.toString());
        broker.start();
        broker.complainedOfNothing();
        Differs.lists("records", records, client.read());
        broker.stop();
        sent.addAll(Killed.whileAppending(stage, dir, "events", "zstd", "killed"));
        broker.start();
        Differs.once("after kill -9", sent, client.values("events", 0), "killed-.*");
        broker.stop();
    }
}
