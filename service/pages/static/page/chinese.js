/** The page in Chinese: first what its document says, then what its scripts say. */

/** @type {Record<string, string>} */
export const page = {
  title: "这一碗有多少热量？",
  lead: "由每份谷物早餐的糖、膳食纤维和蛋白质含量，预测它的热量。",
  serving: "一份含有",
  realCereal: "选一种真实的谷物",
  model: "模型",
  answer: "预测热量",
  report: "训练报告",
  why: "各项成分的贡献",
  whyHint: "精确的 Shapley 值，以各项均为平均值的谷物为基准。",
  curves: "各模型学到了什么",
  against: "横轴",
  dots: "每个点是一种用于训练的谷物。指向它可看到名称，点击即可选用。",
  file: "为整张表格评分",
  drop: "把 CSV 文件拖到这里",
  choose: "选择文件",
  code: "用自己的代码调用",
  copy: "复制",
  docs: "所有请求与回答",
  vendors: "图表由 uPlot 绘制，表格由 Papa Parse 读取（均为 MIT 许可证）。",
};

/** What the service expects, where its sentence is known. @param {string} sentence */
const expectation = (sentence) =>
  sentence.replace(/^a number from 0 to (\d+) \(grams a serving\)$/, "0 到 $1 之间的数（克）");

/** @type {typeof import("./english.js").english} */
export const chinese = {
  documentTitle: "谷物热量预测服务",
  otherLanguage: "English",
  inputs: { sugar: "糖", fiber: "膳食纤维", protein: "蛋白质" },
  comma: "、",
  per: { "a serving": "每份", "per 100 g": "每 100 克" },

  slider: (name) => `${name}，滑块`,
  trainedOn: (low, high) => `训练范围：${low} 至 ${high} 克`,
  notTaken: (model) => `${model} 不使用此项`,
  grams: (largest) => `请输入 0 到 ${largest} 之间的数`,
  anyCereal: "请选择…",

  between: (low, high, tenths) => `${low} 至 ${high}；未参与训练的谷物中，每 10 种有 ${tenths} 种落在各自的区间内`,
  said: (kcal, low, high) => `${kcal} 千卡，介于 ${low} 与 ${high} 之间`,
  measured: (name, measured, off) => `${name}：包装标示 ${measured} 千卡，${off}`,
  over: (kcal) => `比预测值低 ${kcal}`,
  under: (kcal) => `比预测值高 ${kcal}`,
  exact: "与预测值相同",
  outside: (names) => `超出模型的训练范围：${names}。此结果仅供参考。`,
  version: (model, version) => `${model}，版本 ${version}`,

  contributions: "各项成分对预测值的贡献（千卡）",
  input: "成分",
  change: "千卡",
  average: "平均谷物",
  sum: "预测值",

  held: (held) => `其余保持不变：${held}。`,
  kcal: (kcal) => `${kcal} 千卡`,
  gram: "克",
  kcalPer: (per) => `千卡（${per}）`,
  gramsPer: (name, per) => `${name}，克（${per}）`,
  points: "图中的谷物；用方向键移动，按回车键选用",
  point: (names, kcal, grams, input) => `${names}：${kcal} 千卡，${input} ${grams} 克`,
  andMore: (n) => `另有 ${n} 种`,
  straightLine: "单个单元：一条直线",
  plane: "单个单元：平面的一条边",
  stack: (widths, activation) => `${widths} 个 ${activation}：在单元激活处转折`,
  stacks: (members, widths, activation) =>
    `${members} 个网络（${widths} 个 ${activation}）的平均`,
  and: " 与 ",

  columns: (columns) => `需要以克为单位的列：${columns}；其他列原样保留，结果作为新列加入。`,
  scoring: (name) => `正在为 ${name} 评分……`,
  scored: (rows, name) => `${name} 的 ${rows.toLocaleString("zh-CN")} 行已评分。`,
  download: "下载评分后的 CSV",
  noColumn: (name, columns, found) => `${name} 缺少列 ${columns}；现有的列：${found}。`,
  noRows: (name) => `${name} 的表头下面没有数据行。`,
  tooLarge: (name) => `${name} 超过 50 MB：请用 python -m service.batch，它不限文件大小。`,
  ragged: (line, expected, found) => `第 ${line} 行：应与表头一样有 ${expected} 格，实际 ${found} 格`,
  place: (line, column) => `第 ${line} 行，${column}`,
  fault: (where, expected, received) =>
    `${where}：应为 ${expectation(expected)}，实际为 ${received}`,
  nothingScored: "尚未评分，请更正以下各处后重试：",
  unreadable: "无法把这个文件作为文本读取。",
  copied: "已复制。",

  down: "服务没有响应，页面会继续尝试。",
  busy: "服务正忙，页面会自动重试。",
  again: "立即重试",
  keyWanted: "此服务需要密钥。",
  keyRefused: "服务拒绝了这个密钥。",
  keyLabel: "密钥",
  keyUse: "使用",
  keyKept: "密钥只保留到此标签页关闭，并且只发送给此服务。",
  sources: {
    cereals:
      "用 80 Cereals 数据表训练：1993 年包装上标示的早餐谷物营养成分，取自 Python 软件包 dmba（MIT 许可证）。",
  },
  source: (rows, source) => `用 ${source} 的 ${rows.toLocaleString("zh-CN")} 行数据训练。`,
  noModel: "没有已加载的模型，原因见服务日志。",
  refused: (sentence) => `服务拒绝了请求：${sentence}`,
};
