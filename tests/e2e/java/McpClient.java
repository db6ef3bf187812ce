import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;

/** An MCP client on the JDK's HttpClient with its defaults, which offer h2c. URL and key are its arguments. */
public class McpClient {
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private static HttpResponse<String> post(String[] args, String session, BodyPublisher body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(args[0]))
                .header("Authorization", "Bearer " + args[1])
                .header("Content-Type", "application/json")
                .header("Accept", "application/json, text/event-stream")
                .header("MCP-Protocol-Version", "2025-11-25");
        if (session != null) {
            request.header("Mcp-Session-Id", session);
        }
        HttpResponse<String> answer = HTTP.send(request.POST(body).build(), BodyHandlers.ofString());
        System.out.println(answer.version() + " " + answer.statusCode() + " " + answer.body().replace("\n", " "));
        return answer;
    }

    private static BodyPublisher whole(String json) {
        return BodyPublishers.ofString(json);
    }

    /** Of unknown length, so sent in chunks. */
    private static BodyPublisher chunked(String json) {
        return BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(json.getBytes()));
    }

    private static String call(int id) {
        return "{\"jsonrpc\":\"2.0\",\"id\":" + id + ",\"method\":\"tools/call\",\"params\":"
                + "{\"name\":\"find_customers\",\"arguments\":{\"query\":\"quill\"}}}";
    }

    public static void main(String[] args) throws Exception {
        String initialize = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
                + "\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"jdk\",\"version\":\"1\"}}}";
        String initialized = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
        String session = post(args, null, whole(initialize)).headers().firstValue("Mcp-Session-Id").orElseThrow();
        post(args, session, whole(initialized));
        post(args, session, whole(call(2)));
        post(args, session, chunked(call(3)));
    }
}
