// The clients use Node's own fetch. Here it is told to use the proxy that the
// environment names, which Node 20 does not do by itself.
import { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";

setGlobalDispatcher(new EnvHttpProxyAgent());

// A line for the test that started the script, which plays the person at the browser.
export function tell(...words) {
  console.log(words.join(" "));
}

export function demand(condition, what) {
  if (!condition) {
    throw new Error("demanded: " + what);
  }
}
