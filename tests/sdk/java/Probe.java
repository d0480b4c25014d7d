import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.regions.providers.DefaultAwsRegionProviderChain;
import software.amazon.awssdk.services.sts.StsClient;

/** AWS SDK for Java v2: one STS client with the default provider chain. */
public final class Probe {
    private static final StsClient STS =
            StsClient.builder()
                    .region(Region.US_EAST_1)
                    .endpointOverride(URI.create(System.getenv("MIRROR")))
                    .build();

    private Probe() {}

    public static void main(String[] args) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                System.out.println("ok " + answer(line.strip()));
            } catch (RuntimeException error) {
                System.out.println("error " + error.toString().replace('\n', ' '));
            }
        }
    }

    private static String answer(String question) {
        return switch (question) {
            case "use" -> STS.getCallerIdentity().userId();
            case "region" -> new DefaultAwsRegionProviderChain().getRegion().id();
            default -> throw new IllegalArgumentException("no answer to " + question);
        };
    }
}
