package live;

import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import live.scenarios.BackHere;
import live.scenarios.Cleaned;
import live.scenarios.Followed;
import live.scenarios.FromZooKeeper;
import live.scenarios.HandOver;
import live.scenarios.OwnDirectory;
import live.scenarios.Repaired;
import live.scenarios.Replicas;
import live.scenarios.TwentyRounds;
import live.scenarios.Unprepared;

/** Plays every scenario with every version it names, one after the other. */
public final class Main {
    /** All scenarios, in the order in which they are played. */
    private static final List<Scenario> ALL = List.of(
            new OwnDirectory(), new TwentyRounds(), new HandOver(false), new HandOver(true),
            new BackHere(), new Cleaned(), new Followed(), new Repaired(), new Unprepared(), new Replicas(), new FromZooKeeper());
    private static final long MOST_MINUTES = 30;

    private Main() {}

    public static void main(String[] args) throws Exception {
        String only = option(args, "--only", "");
        List<String> versions = List.of(option(args, "--versions", "4.3.1,3.9.2,2.8.2").split(","));
        Path work = Path.of(System.getProperty("live.work"));
        List<String> failed = new ArrayList<>();
        System.out.printf("kafka-live, %s, %s%n", LocalDate.now(), System.getProperty("java.vm.name")
                + " " + System.getProperty("java.version"));
        int passed = 0;
        for (Scenario scenario : ALL) {
            for (String version : scenario.versions()) {
                if (!versions.contains(version) || !scenario.name().contains(only)) {
                    continue;
                }
                if (play(scenario, version, work)) {
                    passed++;
                } else {
                    failed.add(scenario.name() + " " + version);
                }
            }
        }
        System.out.printf("%d passed, %d failed%s%n", passed, failed.size(), failed.isEmpty() ? "" : ": " + failed);
        System.exit(failed.isEmpty() ? 0 : 1);
    }

    private static boolean play(Scenario scenario, String version, Path work) throws Exception {
        long began = System.nanoTime();
        String why = null;
        var one = Executors.newSingleThreadExecutor();
        try (Stage stage = new Stage(work, version, scenario.name())) {
            var playing = one.submit(() -> {
                scenario.play(stage);
                return null;
            });
            try {
                playing.get(MOST_MINUTES, TimeUnit.MINUTES);
            } catch (ExecutionException error) {
                why = String.valueOf(error.getCause()).lines().findFirst().orElse("");
                if (!(error.getCause() instanceof Differs)) {
                    error.getCause().printStackTrace();
                }
            } catch (TimeoutException error) {
                why = "not over after " + MOST_MINUTES + " minutes";
            }
            stage.keepIf(why != null);
        } finally {
            one.shutdownNow();
        }
        long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - began);
        System.out.printf("%s  %s, Kafka %s: %s (%d s)%n", why == null ? "PASS" : "FAIL", scenario.name(),
                version, why == null ? scenario.promise() : why, seconds);
        return why == null;
    }

    private static String option(String[] args, String name, String otherwise) {
        for (int at = 0; at + 1 < args.length; at++) {
            if (args[at].equals(name)) {
                return args[at + 1];
            }
        }
        return otherwise;
    }
}
