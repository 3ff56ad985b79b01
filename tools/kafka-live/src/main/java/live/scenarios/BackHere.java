package live.scenarios;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import live.Broker;
import live.Client;
import live.Differs;
import live.Scenario;
import live.Stage;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.common.config.ConfigResource;

/** What Kafka decided while it had the directory holds here: settings, partitions, topics. */
public final class BackHere implements Scenario {
    @Override
    public String name() {
        return "back-here";
    }

    @Override
    public String promise() {
        return "settings changed, topics made, deleted and made again in Kafka are so here, from its metadata";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        Broker broker = HandOver.started(stage, dir, false, new java.util.ArrayList<>(), new java.util.ArrayList<>());
        Client client = new Client(broker);
        client.create("made-there", 2, 1, Map.of("retention.ms", "-1", "max.message.bytes", "555555"));
        client.produce("made-there", 1, "none", 2, "there");
        ConfigResource codecs = new ConfigResource(ConfigResource.Type.TOPIC, "codecs");
        try (Admin admin = broker.admin()) {
            var set = new AlterConfigOp(new ConfigEntry("segment.bytes", "2097152"), AlterConfigOp.OpType.SET);
            var unset = new AlterConfigOp(new ConfigEntry("max.message.bytes", ""), AlterConfigOp.OpType.DELETE);
            admin.incrementalAlterConfigs(Map.of(codecs, List.of(set, unset))).all().get();
            admin.deleteTopics(List.of("small", "idempotent")).all().get();
            admin.createPartitions(Map.of("empty", NewPartitions.increaseTo(5))).all().get();
        }
        for (int tries = 0; client.topics().contains("small") && tries < 100; tries++) {
            Thread.sleep(100);
        }
        client.create("small", 1, 1, Map.of("retention.ms", "-1"));
        client.produce("small", 0, "none", 1, "another");
        List<String> records = client.read();
        List<String> bounds = client.state();
        broker.stop();
        for (int times = 0; times < 2; times++) {
            List<String> state = stage.side("state", dir.toString());
            Differs.lists("ids and bounds", bounds, Directories.visible(state));
            Differs.lists("records", records, stage.side("read", dir.toString()));
            Differs.unless(state.contains("setting codecs segment.bytes 2097152"), "a changed setting is not there");
            Differs.unless(state.stream().noneMatch(line -> line.startsWith("setting codecs max.message.bytes")),
                    "a setting that is gone is there");
            Differs.unless(state.contains("setting made-there max.message.bytes 555555"), "a new topic's setting is not there");
            Differs.unless(state.stream().noneMatch(line -> line.contains(" idempotent ")), "a deleted topic is there");
            if (times == 0) {
                stage.side("append", dir.toString(), "made-there", "0", "none", "1", "here");
                records = stage.side("read", dir.toString());
                bounds = Directories.visible(stage.side("state", dir.toString()));
            }
        }
        broker.start();
        broker.beganCleanly();
        broker.complainedOfNothing();
        Differs.lists("records, in Kafka again", records, client.read());
        broker.stop();
    }
}
