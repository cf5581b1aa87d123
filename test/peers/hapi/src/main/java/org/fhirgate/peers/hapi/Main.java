package org.fhirgate.peers.hapi;

import java.io.IOException;
import java.util.Map;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext;

/**
 * Starts the server on loopback. Arguments:
 *
 * <ul>
 *   <li>{@code --port=N} or {@code --port N}: where to listen; without it the variable HAPI_PORT, then 8090. 0 takes a free port.
 *   <li>{@code --exit-with-stdin}: end when standard input ends, so that the server never outlives the process that started it.
 * </ul>
 *
 * One line is printed when the server answers; everything else goes to standard error.
 */
public final class Main {
    private static final String DEFAULT_PORT = "8090";

    private Main() {}

    /** Runs until SIGTERM, SIGINT or, where asked for, the end of standard input. */
    public static void main(String[] args) {
        String port = System.getenv().getOrDefault("HAPI_PORT", DEFAULT_PORT);
        boolean exitWithStdin = false;
        for (int i = 0; i < args.length; i++) {
            if (args[i].startsWith("--port=")) {
                port = args[i].substring("--port=".length());
            } else if (args[i].equals("--port") && i + 1 < args.length) {
                i++;
                port = args[i];
            } else if (args[i].equals("--exit-with-stdin")) {
                exitWithStdin = true;
            } else {
                refuse("unknown argument " + args[i] + "; expected --port N or --exit-with-stdin");
            }
        }
        if (!port.matches("\\d{1,5}") || Integer.parseInt(port) > 65535) {
            refuse("port is \"" + port + "\"; expected a number from 0 to 65535");
        }

        SpringApplication app = new SpringApplication(Server.class);
        app.setBannerMode(Banner.Mode.OFF);
        app.setLogStartupInfo(false);
        app.setAllowCircularReferences(true);
        app.setDefaultProperties(Map.of("server.port", port));
        ServletWebServerApplicationContext context = (ServletWebServerApplicationContext) app.run();

        String base = "http://127.0.0.1:" + context.getWebServer().getPort();
        System.out.println("hapi: ready at " + base + "/fhir (health: " + base + "/health)");
        if (exitWithStdin) {
            Thread watcher = new Thread(Main::exitAtEndOfStdin, "stdin-watcher");
            watcher.setDaemon(true);
            watcher.start();
        }
    }

    private static void refuse(String problem) {
        System.err.println("hapi: " + problem);
        System.exit(2);
    }

    private static void exitAtEndOfStdin() {
        try {
            while (System.in.read() >= 0) {
                // Only the end matters.
            }
        } catch (IOException e) {
            System.err.println("hapi: standard input failed: " + e.getMessage());
        }
        System.exit(0);
    }
}
