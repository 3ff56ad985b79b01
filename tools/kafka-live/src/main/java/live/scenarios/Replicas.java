package live.scenarios;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import live.Broker;
import live.Client;
import live.Differs;
import live.Scenario;
import live.Stage;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.RaftVoterEndpoint;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;

/** A handed-over store grows: more nodes, replicas in sync, the leader dies, another serves. */
public final class Replicas implements Scenario {
    private static final List<TopicPartition> GROWN = List.of(
            new TopicPartition("codecs", 4), new TopicPartition("txn", 0), new TopicPartition("started", 0));

    @Override
    public String name() {
        return "replicas";
    }

    @Override
    public String promise() {
        return "nodes 2 and 3 join, partitions get replicas in sync, node 1 is killed, another leads and serves every record";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        List<String> records = new ArrayList<>();
        Broker first = HandOver.started(stage, dir, false, records, new ArrayList<>());
        Properties meta = new Properties();
        try (var reader = Files.newBufferedReader(dir.resolve("meta.properties"))) {
            meta.load(reader);
        }
        int controller = controllerOf(stage);
        List<Broker> others = new ArrayList<>();
        for (int id = 2; id <= 3; id++) {
            Path more = stage.root.resolve("data-" + id);
            int own = stage.port();
            Broker broker = Broker.joining(stage, more, id, stage.port(), own, controller, "broker-" + id);
            broker.format("--no-initial-controllers", meta.getProperty("cluster.id"));
            others.add(broker.start());
            vote(first, more, id, own);
        }
        grow(first);
        for (TopicPartition partition : GROWN) {
            compareFiles(dir, stage.root.resolve("data-2"), partition);
        }
        first.kill();
        Client client = new Client(others.get(0));
        for (TopicPartition partition : GROWN) {
            leaderIsNot(others.get(0), partition, 1);
            for (String isolation : List.of("read_uncommitted", "read_committed")) {
                String prefix = (isolation.equals("read_committed") ? "C " : "U ") + partition.topic() + " " + partition.partition() + " ";
                List<String> wanted = records.stream().filter(line -> line.startsWith(prefix)).toList();
                Differs.lists("records of " + partition + ", from the new leader", wanted, client.read(partition, isolation));
            }
        }
        List<String> sent = client.produce("codecs", 4, "zstd", 3, "without-1");
        Differs.unless(client.values("codecs", 4).containsAll(sent), "what was produced without node 1 is not there");
        first.start();
        inSync(first, 3);
        for (Broker broker : others) {
            broker.stop();
        }
        first.kill();
        // Back here: read, and not written to, for others have replicas of it.
        List<String> here = stage.side("read", dir.toString());
        Differs.lists("old records, back here", records, here.stream().filter(records::contains).toList());
        Differs.unless(here.size() == records.size() + 2 * sent.size(), "back here are " + here.size() + " records");
        try {
            stage.side("append", dir.toString(), "codecs", "4", "none", "1", "never");
            throw new Differs("one of several replicas was appended to");
        } catch (java.io.IOException refused) {
            Differs.unless(refused.getMessage().contains("replicas"), refused.getMessage());
        }
    }

    private static int controllerOf(Stage stage) throws Exception {
        for (String line : Files.readAllLines(stage.root.resolve("broker.properties"))) {
            if (line.startsWith("controller.quorum.bootstrap.servers=")) {
                return Integer.parseInt(line.substring(line.lastIndexOf(':') + 1));
            }
        }
        throw new Differs("no controller in what the hand-over printed");
    }

    private static void vote(Broker first, Path dir, int id, int port) throws Exception {
        Properties meta = new Properties();
        try (var reader = Files.newBufferedReader(dir.resolve("meta.properties"))) {
            meta.load(reader);
        }
        Uuid directory = Uuid.fromString(meta.getProperty("directory.id"));
        var endpoint = new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", port);
        for (int tries = 0; ; tries++) {
            try (Admin admin = first.admin()) {
                admin.addRaftVoter(id, directory, java.util.Set.of(endpoint)).all().get();
                return;
            } catch (Exception error) {
                // The new controller has first to catch up.
                if (tries == 30 || String.valueOf(error).contains("DuplicateVoter")) {
                    if (tries == 30) {
                        throw error;
                    }
                    return;
                }
                Thread.sleep(1000);
            }
        }
    }

    private static void grow(Broker broker) throws Exception {
        try (Admin admin = broker.admin()) {
            var wanted = new java.util.HashMap<TopicPartition, Optional<NewPartitionReassignment>>();
            for (TopicPartition partition : GROWN) {
                wanted.put(partition, Optional.of(new NewPartitionReassignment(List.of(1, 2, 3))));
            }
            admin.alterPartitionReassignments(wanted).all().get();
        }
        inSync(broker, 3);
    }

    private static void inSync(Broker broker, int count) throws Exception {
        try (Admin admin = broker.admin()) {
            for (int tries = 0; ; tries++) {
                int least = Integer.MAX_VALUE;
                for (TopicPartition partition : GROWN) {
                    var topic = admin.describeTopics(List.of(partition.topic())).allTopicNames().get().get(partition.topic());
                    least = Math.min(least, topic.partitions().get(partition.partition()).isr().size());
                }
                if (least >= count) {
                    return;
                }
                Differs.unless(tries < 240, least + " replicas are in sync, of " + count);
                Thread.sleep(500);
            }
        }
    }

    private static void leaderIsNot(Broker broker, TopicPartition partition, int id) throws Exception {
        try (Admin admin = broker.admin()) {
            for (int tries = 0; ; tries++) {
                try {
                    var topic = admin.describeTopics(List.of(partition.topic())).allTopicNames().get().get(partition.topic());
                    var leader = topic.partitions().get(partition.partition()).leader();
                    if (leader != null && leader.id() != id && leader.id() >= 0) {
                        return;
                    }
                } catch (Exception error) {
                    Differs.unless(tries < 120, "no new leader: " + error);
                }
                Differs.unless(tries < 120, "no other leader of " + partition);
                Thread.sleep(500);
            }
        }
    }

    private static void compareFiles(Path one, Path other, TopicPartition partition) throws Exception {
        String name = partition.topic() + "-" + partition.partition();
        try (var names = Files.list(one.resolve(name))) {
            for (Path log : names.filter(path -> path.toString().endsWith(".log")).toList()) {
                Path copy = other.resolve(name).resolve(log.getFileName());
                // The replica begins at the log start, in a segment of its own: compared where both have it.
                if (Files.exists(copy)) {
                    Differs.unless(Files.mismatch(log, copy) == -1, name + "/" + log.getFileName() + ": the replica's bytes differ");
                }
            }
        }
    }
}
