import { describe, expect, test } from "vitest";
import { advise, rules } from "./advise.js";

const NODE = { "package.json": "{}", "package-lock.json": "{}", "src/main.js": "x", "README.md": "r" };
const RULE = "CopyBeforeDependencies";

describe("a COPY of everything before dependencies are installed", () => {
  test("is told with the manifests that are there and the lines to write", async () => {
    const found = await advise("FROM node\nWORKDIR /app\nCOPY . .\nRUN npm ci --omit=dev && npm run build\n", NODE);
    expect(found).toEqual([
      expect.objectContaining({
        rule: RULE,
        detail:
          "COPY . . comes before npm ci --omit=dev (line 4): a change of any file makes that run again, not only of package.json and package-lock.json",
        fix: "put before it: COPY package.json package-lock.json /app/; RUN npm ci --omit=dev",
      }),
    ]);
    expect(found[0]!.place.range.start.line).toBe(3);
  });

  const fires: readonly (readonly [what: string, dockerfile: string, files: Record<string, string>, fix: string])[] = [
    [
      "yarn",
      "COPY . /a\nWORKDIR /a\nRUN yarn",
      { "package.json": "", "yarn.lock": "", x: "" },
      "COPY package.json yarn.lock /a/; RUN yarn",
    ],
    [
      "pnpm in a directory",
      "COPY . /a\nRUN cd /a/web && pnpm i --frozen-lockfile",
      { "web/package.json": "", "web/x": "" },
      "COPY web/package.json /a/web/",
    ],
    [
      "pip with a path",
      "COPY . /a/\nRUN pip install --no-cache-dir -r /a/deps/prod.txt",
      { "deps/prod.txt": "", "a.py": "" },
      "COPY deps/prod.txt",
    ],
    [
      "python -m pip",
      "WORKDIR /a\nADD . .\nRUN python3 -m pip install -r requirements.txt",
      { "requirements.txt": "", "a.py": "" },
      "RUN python3 -m pip install -r requirements.txt",
    ],
    [
      "poetry",
      "WORKDIR /a\nCOPY . .\nRUN poetry install",
      { "pyproject.toml": "", "poetry.lock": "", "a.py": "" },
      "RUN poetry install --no-root",
    ],
    [
      "uv",
      "WORKDIR /a\nCOPY . .\nRUN uv sync --frozen",
      { "pyproject.toml": "", "uv.lock": "", "a.py": "" },
      "RUN uv sync --frozen --no-install-project",
    ],
    [
      "go",
      "WORKDIR /a\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /x ./cmd",
      { "go.mod": "", "go.sum": "", "cmd/a.go": "" },
      "COPY go.mod go.sum /a/; RUN go mod download",
    ],
    [
      "cargo",
      "WORKDIR /a\nCOPY . .\nRUN cargo build --release",
      { "Cargo.toml": "", "Cargo.lock": "", "src/main.rs": "" },
      "--mount=type=cache,target=/usr/local/cargo/registry",
    ],
    [
      "maven",
      "WORKDIR /a\nCOPY . .\nRUN ./mvnw -q package",
      { "pom.xml": "", mvnw: "", ".mvn/x": "", "src/A.java": "" },
      "COPY pom.xml mvnw /a/; COPY .mvn /a/.mvn/; RUN ./mvnw -B dependency:go-offline",
    ],
    [
      "several Maven modules",
      "WORKDIR /a\nCOPY . .\nRUN mvn package",
      { "pom.xml": "<modules>", "core/pom.xml": "", "core/A.java": "" },
      "RUN --mount=type=cache,target=/root/.m2 mvn package",
    ],
    [
      "gradle",
      "WORKDIR /a\nCOPY --chown=g . .\nRUN gradle bootJar",
      { "build.gradle.kts": "", "settings.gradle.kts": "", "src/A.kt": "" },
      "COPY --chown=g build.gradle.kts settings.gradle.kts /a/",
    ],
    [
      "composer",
      "WORKDIR /a\nCOPY . .\nRUN composer install --no-dev",
      { "composer.json": "", "composer.lock": "", "a.php": "" },
      "--no-scripts --no-autoloader",
    ],
    [
      "bundler",
      "WORKDIR /a\nCOPY . .\nRUN bundle install",
      { Gemfile: "", "Gemfile.lock": "", "a.rb": "" },
      "COPY Gemfile Gemfile.lock /a/",
    ],
    [
      "dotnet",
      "WORKDIR /a\nCOPY . .\nRUN dotnet publish -c Release",
      { "a.csproj": "", "A.cs": "" },
      "COPY a.csproj /a/; RUN dotnet restore",
    ],
    [
      "mix",
      "WORKDIR /a\nCOPY . .\nRUN mix do deps.get, compile",
      { "mix.exs": "", "mix.lock": "", "a.ex": "" },
      "RUN mix deps.get",
    ],
    ["exec form and a heredoc", "WORKDIR /a\nCOPY . .\nRUN <<EOF\nset -e\nnpm install\nEOF", NODE, "RUN npm install"],
    [
      "workspaces",
      "WORKDIR /a\nCOPY . .\nRUN npm ci",
      { ...NODE, "package.json": '{"workspaces": ["p"]}', "p/package.json": "" },
      "COPY --parents **/package.json",
    ],
  ];
  test.each(fires)("is found for %s", async (_, body, files, fix) => {
    const found = await advise(`FROM base\n${body}\n`, files);
    expect(found.map(({ rule }) => rule)).toEqual([RULE]);
    expect(found[0]!.fix).toContain(fix);
  });

  test("is found where the stage it is built on copies", async () => {
    expect(await rules("FROM node AS a\nWORKDIR /a\nCOPY . .\nFROM a\nRUN npm ci\n", NODE)).toEqual([`3 ${RULE}`]);
  });

  const silent: readonly (readonly [why: string, body: string, files: Record<string, string>])[] = [
    ["manifests come first", "COPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build", NODE],
    ["the same tool runs again later", "COPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm install --offline", NODE],
    ["only a named package is installed", "COPY . .\nRUN npm install -g typescript && npm install left-pad", NODE],
    ["something else is run", "COPY . .\nRUN npm run install-hooks && npm test && yarn build", NODE],
    ["the manifest is not there", "COPY . .\nRUN npm ci", { "src/a": "" }],
    ["it comes from elsewhere", "COPY --from=other . .\nRUN npm ci", NODE],
    ["another directory is copied", "COPY src ./\nRUN npm ci", NODE],
    [
      "nothing else is in the context",
      "COPY . .\nRUN npm ci",
      { "package.json": "", "package-lock.json": "", "README.md": "", Dockerfile: "" },
    ],
    ["the rest is ignored", "COPY . .\nRUN npm ci", { ...NODE, ".dockerignore": "*\n!package*.json" }],
    ["the rest is excluded", "COPY --exclude=src . .\nRUN npm ci", NODE],
    ["a cache mount keeps what was fetched", "COPY . .\nRUN --mount=type=cache,target=/root/.npm npm ci", NODE],
    ["manifests are mounted", "COPY . .\nRUN --mount=type=bind,source=package.json,target=package.json npm ci", NODE],
    [
      "the project itself is installed",
      "COPY . .\nRUN pip install . && pip install -e .[dev] -r requirements.txt",
      { "requirements.txt": "", "a.py": "" },
    ],
    ["Go has no dependencies", "COPY . .\nRUN go build", { "go.mod": "", "a.go": "" }],
    [
      "Go's dependencies are vendored",
      "COPY . .\nRUN go build",
      { "go.mod": "", "go.sum": "", "vendor/x.go": "", "a.go": "" },
    ],
    [
      "a tool of Go is installed",
      "COPY . .\nRUN go install example.com/x@latest",
      { "go.mod": "", "go.sum": "", "a.go": "" },
    ],
    [
      "cargo-chef has cooked",
      "COPY --from=p recipe.json .\nRUN cargo chef cook\nCOPY . .\nRUN cargo build",
      { "Cargo.toml": "", "Cargo.lock": "", "a.rs": "" },
    ],
    [
      "restoring was done before",
      "COPY *.csproj .\nRUN dotnet restore\nCOPY . .\nRUN dotnet publish -c Release --no-restore",
      { "a.csproj": "", "A.cs": "" },
    ],
    ["the words stand in a string or a comment", 'COPY . .\nRUN echo "then; npm ci" # npm ci', NODE],
    ["the directory is not known", "ARG D\nCOPY . .\nRUN cd $D && npm ci", NODE],
    ["the rule is switched off", "", NODE],
    [
      "the rule is switched off for the instruction",
      `# check=skip=${"CopyBeforeDependencies"}\nCOPY . .\nRUN npm ci`,
      NODE,
    ],
  ];
  test.each(silent)("is not told where %s", async (_, body, files) => {
    const head = body === "" ? `# check=skip=${RULE}\n` : "";
    const lines = body === "" ? "COPY . .\nRUN npm ci" : body;
    expect(await rules(`${head}FROM base\nWORKDIR /app\n${lines}\n`, files)).toEqual([]);
  });
});
