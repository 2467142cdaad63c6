// Issues by GitHub's own client. It knows nothing of SMCP: it sends the token that it is given.

import { request } from "@octokit/request";

export interface Env {
  API: string;
  GITHUB_TOKEN: string;
}

export interface Issue {
  number: number;
  title: string;
  state: string;
}

export class Issues {
  #request: typeof request;

  constructor(env: Env) {
    this.#request = request.defaults({
      baseUrl: env.API,
      headers: { authorization: `Bearer ${env.GITHUB_TOKEN}`, "user-agent": "smcp-example-issues" },
    });
  }

  async list(owner: string, repo: string): Promise<Issue[]> {
    const { data } = await this.#request("GET /repos/{owner}/{repo}/issues", { owner, repo, per_page: 20 });
    return data.map(({ number, title, state }) => ({ number, title, state }));
  }

  async comment(owner: string, repo: string, number: number, body: string): Promise<string> {
    const { data } = await this.#request("POST /repos/{owner}/{repo}/issues/{issue_number}/comments", {
      owner,
      repo,
      issue_number: number,
      body,
    });
    return data.html_url;
  }
}
